"""What a long line costs those who do not stand in it: the same load, with nothing waiting and with much waiting.

After a line was made, the first load waits until the system is quiet: what is measured is the line, not its making.
"""

import asyncio
from collections.abc import Iterator

from pipelines.ids import execution_id, home_of
from streams.bench import load, measure, pairs, usage
from streams.bench.run import fresh_run, progress, warm
from streams.bench.show import Figures, Row
from streams.bench.system import System, say
from streams.client import Placed
from streams.engine.commands import Execute
from streams.settings import Settings

NOBODY = "bench-nobody"
"""A pool without a worker."""

FAR = 86_400_000
"""Milliseconds until what is due later is due."""

HERE = "state IN ('waiting', 'scheduled')"


def measure_backlog(settings: Settings, waiting: int, due: int, executions: int, repeats: int) -> Figures:
    """The load in a system that fills up, and each time in an empty one right before or after it: pairs are compared.

    The first stage, with nothing waiting in either, tells how much pairs of equals differ.
    """
    stages: dict[str, Figures] = {}
    say("Two systems: the first one stays empty, the second one fills up.")
    with warm(settings, own=True) as empty, warm(settings, own=True) as full:

        def measure_with(what: str) -> None:
            say(f"With {what}: {executions:,} executions in each, {repeats} times ...")
            stages[what] = _stage(empty, full, executions, repeats)

        measure_with("nothing")
        if due:
            _fill(full, due, FAR, "due later")
            measure_with(f"{due:,} due later")
        if waiting:
            _fill(full, waiting, 0, "waiting")
            measure_with(f"{waiting:,} waiting")
    return {"executions": executions, "stages": stages, "machine": measure.machine()}


def _stage(empty: System, full: System, executions: int, repeats: int) -> Figures:
    """The load in both systems by turns, and the most memory of the full one meanwhile."""
    measured = load.throughput(executions)
    with usage.most_memory(full) as most:
        found = pairs.by_turns(full, empty, measured, repeats)
    return {**found, "memory": usage.as_figures(most)}


def _fill(here: System, count: int, later: int, what: str) -> None:
    say(f"{count:,} executions are made that stay {what} ...")
    run = fresh_run()
    with progress(count, "sent") as step:
        asyncio.run(load.send(here.settings, load.counted(_resting(here, run, count, later), step)))
    with progress(count, what) as step:
        measure.wait_for_rows(here.client, [run], count, step, which=HERE)
    if not measure.until_quiet(here.client):
        say(f"What making them left behind is not done yet after {measure.QUIET_WITHIN:.0f} s.")


def _resting(here: System, run: str, count: int, later: int) -> Iterator[Placed]:
    """Executions that nobody runs: for later, or in a pool without a worker."""
    noise, now = load.noise(), load.now_ms()
    for number in range(count):
        payload = noise[number % load.DISTINCT]
        task = load.one(number, payload, pool=NOBODY)
        which = execution_id(task.id, run)
        due_at = now + later + number if later else 0
        home = home_of(which, here.settings.task_partitions)
        yield home, Execute(which, task.id, run, load.now_ms(), due_at, task_def=task)


def show(found: Figures) -> list[Row]:
    """Rows of a table."""
    stages = found["stages"].items()
    return [row for name, stage in stages for row in pairs.rows(f"with {name}", "the empty one", stage)]


def show_beside(found: Figures) -> Figures:
    """What stands below it: memory, and how far such pairs can be trusted."""
    memory = {
        f"MB with {name}": ", ".join(f"{role} {size['pss_mb']:,}" for role, size in stage["memory"].items())
        for name, stage in found["stages"].items()
    }
    apart = max(abs(1 - ratio) for ratio in found["stages"]["nothing"]["ratios"])
    trust = f"systems that are both empty differ by up to {apart:.0%} in a pair: less than that is noise"
    return {**memory, "to be read with care": trust, "machine": found["machine"]}
