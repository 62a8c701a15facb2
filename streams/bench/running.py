"""Many executions running at once: those that need no worker, external ones and sleeps, started, kept and ended."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle

from pipelines.ids import execution_id, home_of
from streams.bench import load, measure, usage
from streams.bench.restart import restarts
from streams.bench.run import fresh_run, progress
from streams.bench.show import Figures
from streams.bench.system import System, say
from streams.client import Placed
from streams.engine.commands import Execute, Finish
from streams.engine.records import TaskDef

STEPS = 10
"""Lines of the table on the way up, for each kind."""

LEAST_SLEEP = 15.0
"""Seconds: sleeps last longer than it takes to start them all, and so much more."""

STARTING, RESTARTING = 1.5, 1.5
"""How long sleeps are started, and schedulers restarted, at most: in parts of what the external ones took to start."""

STARTED = "started_at IS NOT NULL"
RUNNING = "state = 'running'"


def measure_running(here: System, size: int, payload: int, *, restart: bool) -> Figures:
    """Start `size` of both kinds, look, restart schedulers, and end all: external ones by `finish`, sleeps by time."""
    external, sleeping = f"{fresh_run()}-external", f"{fresh_run()}-sleep"
    half = size // 2
    before = usage.disk(here)
    table: list[Figures] = []
    up = _start(here, _workerless(here, external, half, payload, 0), external, half, table)
    sleep = round((LEAST_SLEEP + (STARTING + RESTARTING * restart) * up) * 1000)
    begun = time.monotonic()
    up += _start(here, _workerless(here, sleeping, size - half, payload, sleep), sleeping, size - half, table)
    at_once, _ = measure.rows_of(here.client, [external, sleeping], RUNNING)
    say(f"{at_once:,} run at once")
    found: Figures = {
        "executions": size,
        "running_at_once": at_once,
        "started_per_second": round(size / up),
        "payload_bytes": payload,
        "way_up": table,
        "bytes_each_while_running": usage.each(before, usage.disk(here), size),
    }
    if restart:
        found["restart"] = restarts(here)
    found["finished_per_second"] = _finish(here, external, half)
    left = max(sleep / 1000 - (time.monotonic() - begun), 0)
    with progress(size - half, "sleeps ended") as step:
        measure.wait_for_rows(here.client, [sleeping], size - half, step, patience=left + measure.GIVE_UP)
    rows, distinct = measure.rows_of(here.client, [external, sleeping])
    found["rows_in_history"], found["executions_in_history"] = rows, distinct
    found["bytes_each_at_the_end"] = usage.each(before, usage.disk(here), size)
    return found | {"machine": measure.machine()}


def _workerless(here: System, run: str, count: int, payload: int, sleep: int) -> Iterator[Placed]:
    """Executions of the kind `sleep` of so many milliseconds, or `external` ones (0)."""
    payloads = cycle(load.noise(payload))  # by number: those that stand beside each other in a table, by id, differ
    kind, call = ("sleep", b'{"seconds":%g}' % (sleep / 1000)) if sleep else ("external", b"{}")
    for which, task in _named(run, count):
        body = TaskDef(task, kind, call, next(payloads), owner=load.OWNER, sleep=sleep)
        yield home_of(which, here.settings.task_partitions), Execute(which, task, run, load.now_ms(), task_def=body)


def _named(run: str, count: int) -> Iterator[tuple[bytes, str]]:
    for number in range(count):
        task = f"{load.OWNER}-{number}"
        yield execution_id(task, run), task


def _start(here: System, commands: Iterator[Placed], run: str, count: int, table: list[Figures]) -> float:
    """Submit, and wait until the history says that all have started; returns the seconds."""
    begun = time.monotonic()
    mark = max(count // STEPS, 1)
    done = sum(line["started"] for line in table[-1:])

    def step(rows: int) -> None:
        if rows >= mark * (1 + sum(1 for line in table if line["run"] == run)):
            table.append(_line(here, run, done + rows, rows / (time.monotonic() - begun)))
        if not usage.room_left(here):
            raise measure.MeasurementError("the disk is nearly full: choose a smaller --size")

    with _meanwhile(here, commands):
        measure.wait_for_rows(here.client, [run], count, step, which=STARTED)
    return time.monotonic() - begun


def _line(here: System, run: str, started: int, rate: float) -> Figures:
    memory = usage.memory(here)
    sizes = ", ".join(f"{role} {size.rss:,}/{size.pss:,}" for role, size in memory.items())
    say(f"{started:12,} run, {rate:7,.0f}/s; MB RSS/PSS: {sizes}")
    return {"run": run, "started": started, "per_second": round(rate), "memory": usage.as_figures(memory)}


@contextmanager
def _meanwhile(here: System, commands: Iterator[Placed]) -> Iterator[None]:
    """Submit in a thread while inside; its failure is ours when left."""
    with ThreadPoolExecutor(1, "submit") as pool:
        submitting = pool.submit(lambda: asyncio.run(load.send(here.settings, commands)))
        try:
            yield
        finally:
            submitting.result()


def _finish(here: System, run: str, count: int) -> int:
    """Say of all external ones that they have succeeded; returns how many a second the history shows as ended."""
    say(f"{count:,} external executions are finished ...")
    partitions = here.settings.task_partitions
    ends = (
        (home_of(which, partitions), Finish(which, load.now_ms(), "succeeded", b'{"ok":true}'))
        for which, _ in _named(run, count)
    )
    begun = time.monotonic()
    with _meanwhile(here, ends), progress(count, "finished") as step:
        measure.wait_for_rows(here.client, [run], count, step)
    return round(count / (time.monotonic() - begun))
