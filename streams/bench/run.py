"""One measurement: warm up, submit, wait for the history, and read what it took."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.command import command
from streams.bench import load, measure, show, usage
from streams.bench.load import Load
from streams.bench.show import Figures
from streams.bench.system import System, say, system
from streams.local.errors import SetupError
from streams.settings import Settings
from ui.cli.exits import Exit, mapped, stop

WARM_UP = 20_000
"""Executions before the measured ones: connections, caches, processes and Kafka's compiled code are warm then."""

REST = 60.0
"""Seconds in which a system comes to rest between two loads; one that works for others never does."""

SECONDS = 10
"""How long a load at a share of the throughput lasts."""


def measure_and_show(settings: Settings, measured: Load, output: str, runs: int, *, own: bool) -> None:
    """Measure and print the figures, as a table or as JSON. Ends the process with a sentence where that fails."""
    measure_each(settings, lambda here: once(here, measured), output, runs, own=own)


def measure_each(
    settings: Settings, measured: Callable[[System], Figures], output: str, runs: int, *, own: bool
) -> None:
    """The same for any measurement. Each run has a system of its own where `own`, or all have the running one."""
    with explained():
        found = [_warm(settings, measured, own=own) for _ in _counted(runs)]
    show.figures(found, output)


def measured_once(settings: Settings, measured: Callable[[System], Figures], *, own: bool) -> Figures:
    """One measurement's figures. Ends the process with a sentence where it fails."""
    with explained():
        return _warm(settings, measured, own=own)


def short_set(settings: Settings, output: str, runs: int, executions: int, *, own: bool) -> None:
    """Throughput, chain and latency, one after the other in one system, and one table of all."""
    loads = {
        "throughput": load.throughput(executions),
        "chain": load.chain(executions // 2, 5),
        "latency": load.paced(max(executions // 100, 10), 50.0),
    }
    with explained():
        found = [_warm(settings, lambda here: _all_of(here, loads), own=own) for _ in _counted(runs)]
    show.short_set(found, output)


def once(here: System, measured: Load) -> Figures:
    """Submit a load and wait until every execution's row stands in ClickHouse."""
    run = fresh_run()
    work, runs, count = measured.make(run), measured.runs(run), measured.executions
    held = usage.stores(here) if here.supervisor else None
    before = measure.cpu_by_role(here.client)
    start = time.perf_counter()
    with progress(count, "sent") as step:
        asyncio.run(measured.submit(here.settings, work, run, step))
    submitted = time.perf_counter() - start
    with progress(count, "in history") as step:
        rows = measure.wait_for_rows(here.client, runs, count, step)
    seconds = time.perf_counter() - start
    after = measure.cpu_by_role(here.client)
    disk = {"disk_bytes_each": usage.each(held, usage.stores(here), count)} if held is not None else {}
    asyncio.run(measured.tidy(here.settings, work))
    return {
        "task": load.TASK,
        "executions": count,
        "seconds": round(seconds, 3),
        "executions_per_second": round(count / seconds),
        "submitted_per_second": round(count / submitted),
        "rows_in_history": rows,
        "latency_ms": measure.latency(here.client, runs),
        "cpu_seconds_per_1000": measure.per_thousand(before, after, count),
        **disk,
        "machine": measure.machine(),
    }


def at_share(here: System, share: float, executions: int) -> Figures:
    """Latency at a share of the throughput, which is measured just before with `executions`."""
    top = once(here, load.throughput(executions))["executions_per_second"]
    rate = top * share
    say(f"Throughput is {top:,}/s; now {rate:,.0f}/s for {SECONDS} s ...")
    found = once(here, load.paced(max(round(rate * SECONDS), 1), rate, load.TICK))
    return {"throughput_before": top, "rate": round(rate), **found}


def fresh_run() -> str:
    """A name that no other measurement has."""
    return f"bench-{uuid.uuid4().hex[:12]}"


@contextmanager
def explained() -> Iterator[None]:
    """What goes wrong ends the process with a sentence, and the exit code of its kind."""
    for library in ("aiokafka", "asyncio", "kafka"):  # of a broker that is away they say hundreds of lines
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with mapped():
        try:
            yield
        except (SetupError, measure.MeasurementError) as error:
            stop(error, Exit.FAILED)
        except KafkaError as error:
            why = str(error) or type(error).__name__
            stop(f"Kafka does not answer any more: {why}; `{command('doctor')}` says more", Exit.UNAVAILABLE)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, on a terminal only; it is told how many there are by now."""
    console = Console(stderr=True)
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rows", total=total)
        yield lambda count: bar.update(task, completed=count)


@contextmanager
def warm(settings: Settings, *, own: bool) -> Iterator[System]:
    """A system that has worked before it is measured; see `system`."""
    with system(settings, own=own) as here:
        say(f"Warming up with {WARM_UP:,} executions ...")
        once(here, load.throughput(WARM_UP))
        yield here


def _warm(settings: Settings, measured: Callable[[System], Figures], *, own: bool) -> Figures:
    with warm(settings, own=own) as here:
        return measured(here)


def _all_of(here: System, loads: dict[str, Load]) -> Figures:
    """Each begins at rest: what the one before left behind, merges above all, is none of its work."""
    found = {}
    for name, one in loads.items():
        if not measure.until_quiet(here.client, REST):
            say(f"The system is not at rest after {REST:.0f} s; that costs the next figures.")
        say(f"{name}: {one.executions:,} executions ...")
        found[name] = once(here, one)
    return found


def _counted(runs: int) -> Iterator[int]:
    for number in range(1, runs + 1):
        if runs > 1:
            say(f"Run {number} of {runs}")
        yield number
