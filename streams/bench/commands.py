"""`headrace bench`: end to end, through Kafka, the tables, a worker and ClickHouse."""

from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from streams.settings import Settings, settings

Output = Annotated[Literal["table", "json"], Parameter(name=["--output", "-o"])]

app = cyclopts.App(name="bench", help="Measure the whole system: the running one, or one of its own.")


@app.command
def throughput(*, executions: int = 100_000, output: Output = "table") -> None:
    """Submit as fast as the client can; done when every execution's row stands in ClickHouse.

    Args:
        executions: How many, with payloads of 1 KB.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load, run  # noqa: PLC0415  (other commands need none of it)

    run.measure_and_show(settings(), lambda name: list(load.tasks(name, executions)), load.at_once, output)


@app.command
def latency(*, executions: int = 1_000, rate: float = 50.0, output: Output = "table") -> None:
    """Submit one by one at a rate; the figure is the time from submission to the start of the task's code.

    Args:
        executions: How many.
        rate: Submissions a second.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load, run  # noqa: PLC0415  (other commands need none of it)
    from streams.engine.records import TaskDef  # noqa: PLC0415  (the same)

    async def paced(here: Settings, work: list[TaskDef], name: str) -> None:
        await load.at_rate(here, work, name, rate)

    run.measure_and_show(settings(), lambda name: list(load.tasks(name, executions)), paced, output)


@app.command
def chain(*, executions: int = 50_000, length: int = 5, output: Output = "table") -> None:
    """Chains in which each task waits for the one before it, submitted as fast as the client can.

    Args:
        executions: How many in all.
        length: Tasks of a chain.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load, run  # noqa: PLC0415  (other commands need none of it)

    run.measure_and_show(settings(), lambda name: list(load.chains(name, executions, length)), load.at_once, output)


def register(parent: cyclopts.App) -> None:
    """Add this command to the command line."""
    parent.command(app)
