"""One measurement: warm up, submit, wait for the history, and read what it took."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.bench import load, measure
from streams.bench.system import system
from streams.engine.records import TaskDef
from streams.local.errors import SetupError
from streams.settings import Settings
from ui.client import Client

Submit = Callable[[Settings, list[TaskDef], str], Coroutine[Any, Any, None]]

WARM_UP = 2_000
"""Executions before the measured ones, so that connections, caches and processes are warm."""


def measure_and_show(settings: Settings, make: Callable[[str], list[TaskDef]], submit: Submit, output: str) -> None:
    """Measure once and print the figures, as a table or as JSON. Ends the process with a sentence where that fails."""
    try:
        with system(settings) as (here, client):
            _once(here, client, lambda run: list(load.tasks(run, WARM_UP)), load.at_once)
            figures = _once(here, client, make, submit)
    except (SetupError, measure.MeasurementError) as error:
        sys.exit(f"headrace bench: {error}")
    _show(figures, output)


def _once(here: Settings, client: Client, make: Callable[[str], list[TaskDef]], submit: Submit) -> dict[str, Any]:
    run = f"bench-{uuid.uuid4().hex[:12]}"
    work = make(run)
    before = measure.cpu_by_role(client)
    start = time.perf_counter()
    asyncio.run(submit(here, work, run))
    submitted = time.perf_counter() - start
    with _progress(len(work)) as progress:
        rows = measure.wait_for_rows(client, run, len(work), progress)
    seconds = time.perf_counter() - start
    after = measure.cpu_by_role(client)
    return {
        "executions": len(work),
        "seconds": round(seconds, 3),
        "executions_per_second": round(len(work) / seconds),
        "submitted_per_second": round(len(work) / submitted),
        "rows_in_history": rows,
        "latency_ms": measure.latency(client, run),
        "cpu_seconds_per_1000": measure.per_thousand(before, after, len(work)),
        "machine": measure.machine(),
    }


class _progress:  # noqa: N801  (reads as a statement)
    """A bar on standard error, on a terminal only."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        columns = TextColumn("in history"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("rows", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda rows: self._bar.update(self._task, completed=rows)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _show(figures: dict[str, Any], output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, value in figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else f"{value:,}"
        sys.stdout.write(f"{name.replace('_', ' '):24} {shown}\n")
