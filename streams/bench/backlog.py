"""What a long line costs those who do not stand in it: the same load, with nothing waiting and with much waiting.

Each load begins when the system has come to rest: what is measured is the line, and not the making of it.
"""

import asyncio
import statistics
from collections.abc import Iterator

from pipelines.ids import execution_id, home_of
from streams.bench import load, measure, usage
from streams.bench.run import fresh_run, once, progress
from streams.bench.show import Figures
from streams.bench.system import System, say
from streams.client import Placed
from streams.engine.commands import Execute

NOBODY = "bench-nobody"
"""A pool without a worker."""

FAR = 86_400_000
"""Milliseconds until what is due later is due."""

HERE = "state IN ('waiting', 'scheduled')"


def measure_backlog(here: System, waiting: int, due: int, executions: int, repeats: int) -> Figures:
    """The load with neither, with executions due later, and with a line as well; each some times, medians compared."""
    stages: dict[str, Figures] = {"empty": _stage(here, executions, repeats)}
    if due:
        _fill(here, due, FAR, "due later")
        stages[f"with {due:,} due later"] = _stage(here, executions, repeats)
    if waiting:
        _fill(here, waiting, 0, "waiting")
        stages[f"with {waiting:,} waiting"] = _stage(here, executions, repeats)
    empty = stages["empty"]["executions_per_second"]
    ratios = {name: round(stage["executions_per_second"] / empty, 3) for name, stage in stages.items()}
    return {"executions": executions, "stages": stages, "ratio_to_empty": ratios, "machine": measure.machine()}


def _stage(here: System, executions: int, repeats: int) -> Figures:
    """The load, and the most memory while it ran."""
    with usage.most_memory(here) as most:
        each = [once(here, load.throughput(executions)) for _ in range(repeats)]
    rates = [one["executions_per_second"] for one in each]
    return {
        "executions_per_second": statistics.median(rates),
        "each": rates,
        "latency_p50_ms": statistics.median(one["latency_ms"]["p50"] for one in each),
        "memory": usage.as_figures(most),
    }


def _fill(here: System, count: int, later: int, what: str) -> None:
    say(f"{count:,} executions are made that stay {what} ...")
    run = fresh_run()
    with progress(count, "sent") as step:
        asyncio.run(load.send(here.settings, load.counted(_resting(here, run, count, later), step)))
    with progress(count, what) as step:
        measure.wait_for_rows(here.client, [run], count, step, which=HERE)
    say(f"They are; what making them left behind was done {measure.rest(here.client):,.0f} s later.")


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


def show(found: Figures) -> list[tuple[str, str, list[float]]]:
    """Rows of a table."""
    rows: list[tuple[str, str, list[float]]] = []
    for name, stage in found["stages"].items():
        rows.append((f"throughput, {name}", "executions/s", [float(rate) for rate in stage["each"]]))
    for name, stage in found["stages"].items():
        rows.append((f"scheduler, {name}", "MB PSS", [float(stage["memory"]["scheduler"]["pss_mb"])]))
    return rows
