"""`headrace bench`: end to end, through Kafka, the tables, a worker and ClickHouse."""

import sys
from typing import Annotated, Literal, NoReturn

import cyclopts
from cyclopts import Parameter, validators

from streams.settings import settings

Output = Annotated[Literal["table", "json"], Parameter(name=["--output", "-o"])]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Flag = Annotated[bool, Parameter(negative="")]
Rate = Annotated[float, Parameter(validator=validators.Number(gt=0))]

app = cyclopts.App(name="bench", help="Measure the whole: a system of its own, or with --running the one that runs.")


@app.default
def short_set(*, executions: Count = 50_000, runs: Count = 1, running: Flag = False, output: Output = "table") -> None:
    """Throughput, chain and latency in one system, in a minute; one table with bars.

    Args:
        executions: Of `throughput`; `chain` has half of it, and `latency` at 50 a second a hundredth.
        runs: How often; then each figure has its least, median and most.
        running: In the system that runs, whose history keeps what is sent; none: in one of its own.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import run  # noqa: PLC0415  (other commands need none of it)

    run.short_set(settings(), output, runs, executions, own=not running)


@app.command
def throughput(
    *,
    executions: Count = 100_000,
    by: Literal["client", "events"] = "client",
    flood: Flag = False,
    per_task: Count = 1,
    rate: Rate | None = None,
    runs: Count = 1,
    running: Flag = False,
    output: Output = "table",
) -> None:
    """Submit as fast as the system takes it, or at a rate; done when every execution's row stands in ClickHouse.

    Latency is from the moment that the client makes an execution's command until its code starts. A system of its own
    is warmed up first.

    Args:
        executions: How many, with payloads of 1 KB.
        by: `client`: the Python client, which sends envelopes past the public topic; `events`: plain JSON events, one
            a message, by a stock Kafka client with acks=all.
        flood: The client does not wait for the scheduler, however much of what it sent is not read yet.
        per_task: Tasks are created first, and executed so many times each; 1: created and executed in one. What is
            left over is left out.
        rate: Submissions a second, what is due within 10 ms at once: whether the system keeps up with it for as long
            as that lasts. None: as many as the scheduler reads.
        runs: How often, each time in a fresh system unless `--running`.
        running: In the system that runs, whose history keeps what is sent; none: in one of its own.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load, run  # noqa: PLC0415  (other commands need none of it)

    if (by == "events") + flood + (per_task > 1) + (rate is not None) > 1:
        _refuse("--by events, --flood, --per-task and --rate are measurements of their own: give one of them")
    if executions < per_task:
        _refuse(f"--executions {executions} does not give one task its {per_task} (--per-task)")
    if rate:
        measured = load.paced(executions, rate, load.TICK)
    elif per_task > 1:
        measured = load.repeated(executions, per_task)
    else:
        measured = load.by_events(executions) if by == "events" else load.throughput(executions, flood=flood)
    run.measure_and_show(settings(), measured, output, runs, own=not running)


@app.command
def latency(
    *,
    executions: Count | None = None,
    rate: Rate = 50.0,
    load: Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=1))] = None,
    runs: Count = 1,
    running: Flag = False,
    output: Output = "table",
) -> None:
    """Submit one by one at a rate; the figure is the time from submission to the start of the task's code.

    A system of its own is warmed up first.

    Args:
        executions: How many; none: 1,000, and with `--load` 50,000 to find the throughput.
        rate: Submissions a second.
        load: Instead of a rate, a share of the throughput: it is measured first, and then so much of it is submitted
            for 10 s, what is due within 10 ms at once. 0.5: at half of it.
        runs: How often, each time in a fresh system unless `--running`.
        running: In the system that runs, whose history keeps what is sent; none: in one of its own.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load as loads  # noqa: PLC0415  (other commands need none of it)
    from streams.bench import run  # noqa: PLC0415  (the same)

    if load is None:
        run.measure_and_show(settings(), loads.paced(executions or 1_000, rate), output, runs, own=not running)
    else:
        share, first = load, executions or 50_000
        run.measure_each(settings(), lambda here: run.at_share(here, share, first), output, runs, own=not running)


@app.command
def chain(
    *,
    executions: Count = 50_000,
    length: Count = 5,
    runs: Count = 1,
    running: Flag = False,
    output: Output = "table",
) -> None:
    """Chains in which each task waits for the one before it, submitted as fast as the scheduler reads.

    Args:
        executions: How many in all.
        length: Tasks of a chain.
        runs: How often, each time in a fresh system unless `--running`.
        running: In the system that runs, whose history keeps what is sent; none: in one of its own.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import load, run  # noqa: PLC0415  (other commands need none of it)

    run.measure_and_show(settings(), load.chain(executions, length), output, runs, own=not running)


@app.command
def priority(
    *,
    backlog: Count = 100_000,
    nap: Annotated[float, Parameter(validator=validators.Number(gte=0))] = 0.01,
    repeats: Count = 20,
    runs: Count = 1,
    output: Output = "table",
) -> None:
    """Submit critical tasks while a long line of low ones waits. Always in a system of its own; a minute each run.

    The figures, over the critical ones of a run: milliseconds from submission to start of the code; and by the log of
    steps how many low ones were dispatched while one stood in line, and how many of those that its worker had already
    started before it.

    Args:
        backlog: How many low ones wait.
        nap: Seconds that each of them takes.
        repeats: How many critical ones come during the same backlog, half a second apart.
        runs: How often, each time in a fresh system.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import run  # noqa: PLC0415  (other commands need none of it)
    from streams.bench.priority import measure_priority  # noqa: PLC0415  (the same)

    run.measure_each(settings(), lambda here: measure_priority(here, backlog, nap, repeats), output, runs, own=True)


@app.command
def backlog(
    *,
    size: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 1_000_000,
    due: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 100_000,
    executions: Count = 50_000,
    repeats: Count = 5,
    output: Output = "table",
) -> None:
    """The same load with nothing waiting, with executions due tomorrow, and with a long line in another pool as well.

    Always in two systems of its own, by turns: one stays empty, so that both sides of a pair are measured within the
    same half minute. Memory is the most while the load ran, of all processes of a role of the one that fills up.

    Args:
        size: How many wait in line, in a pool without a worker, with payloads of 1 KB.
        due: How many are due later.
        executions: Of the load, as in `throughput`.
        repeats: How many pairs at each stage.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import backlog as measured  # noqa: PLC0415  (other commands need none of it)
    from streams.bench import run, show  # noqa: PLC0415  (the same)

    with run.explained():
        found = measured.measure_backlog(settings(), size, due, executions, repeats)
    if output == "json":
        show.as_json(found)
        return
    show.table("The same load, with more and more waiting", measured.show(found))
    show.plain(measured.show_beside(found))


@app.command
def steady(*, executions: Count = 50_000, repeats: Count = 5, output: Output = "table") -> None:
    """The same load in a system that forgets as much as it does, as one does that has worked for longer than an hour.

    Always in two systems of its own, by turns: one keeps what has ended for seconds, the other one for a day.

    Args:
        executions: Of the load, as in `throughput`.
        repeats: How many pairs.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import run, show  # noqa: PLC0415  (other commands need none of it)
    from streams.bench import steady as measured  # noqa: PLC0415  (the same)

    with run.explained():
        found = measured.measure_steady(settings(), executions, repeats)
    if output == "json":
        show.as_json(found)
        return
    show.table("The same load, while as much is forgotten", measured.show(found))
    show.plain({name: value for name, value in found.items() if name.startswith("MB") or name == "machine"})


@app.command
def running(
    *,
    size: Annotated[int, Parameter(validator=validators.Number(gte=2))] = 3_000_000,
    payload: Annotated[int, Parameter(validator=validators.Number(gte=10))] = 1_000,
    restart: bool = True,
    runs: Count = 1,
    output: Output = "table",
) -> None:
    """Executions that need no worker, all running at once: half of them `external`, half of them `sleep`.

    Always in a system of its own. All are ended in the end. 3 million take seven minutes to a quarter of an hour, and
    23 GB of disk while they last; each run as much time again.

    Args:
        size: How many.
        payload: Bytes of each one's payload.
        restart: While they run, restart the scheduler with and without its folder, and kill it beside a standby.
        runs: How often, each time in a fresh system.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import run  # noqa: PLC0415  (other commands need none of it)
    from streams.bench.running import measure_running  # noqa: PLC0415  (the same)

    run.measure_each(
        settings(), lambda here: measure_running(here, size, payload, restart=restart), output, runs, own=True
    )


@app.command
def profile(
    *,
    executions: Count = 100_000,
    functions: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    output: Output = "table",
) -> None:
    """`throughput`, and what it costs: microseconds of CPU for an execution, by role and thread.

    Always in a system of its own. Threads have the names that the kernel knows.

    Args:
        executions: As in `throughput`.
        functions: So many Python files and functions of each role as well, by samples of py-spy (which must be in
            PATH, and takes time itself); 0: none.
        output: A table for people, or JSON for programs.
    """
    from streams.bench import profile as measured  # noqa: PLC0415  (other commands need none of it)
    from streams.bench import run, show  # noqa: PLC0415  (the same)

    found = run.measured_once(settings(), lambda here: measured.measure_profile(here, executions, functions), own=True)
    if output == "json":
        show.as_json(found)
    else:
        title = f"{executions:,} executions, {found['executions_per_second']:,} a second: CPU of each"
        show.table(title, measured.as_rows(found))


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"headrace bench: {why}\n")
    sys.exit(2)


def register(parent: cyclopts.App) -> None:
    """Add this command to the command line."""
    parent.command(app)
