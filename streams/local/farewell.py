"""What becomes of the tasks that run when everything is stopped: said before, and when the worker has ended."""

import time
from collections.abc import Callable, Sequence

from pipelines.requests import ExecutionFilter
from pipelines.views import TERMINAL_STATES, ExecutionRow
from streams.local.example import named
from streams.local.supervisor import Child
from streams.settings import Settings
from streams.token import read_token
from ui.client import ApiError, ApiUnavailableError, Client

AWAY = (ApiError, ApiUnavailableError, OSError, ValueError)
"""Why the API may say nothing: it never came up, or is gone already."""

ASKED = 100
"""Running tasks that are looked at."""

HEARD_WITHIN = 2.0
"""Seconds in which the API hears of what a worker said last."""


def drain(settings: Settings, worker: Child | None, say: Callable[[str], None]) -> None:
    """Stop the worker before all others where tasks run, and say what is waited for and what came of it."""
    try:
        with Client(settings.edge_url, read_token(settings), timeout=HEARD_WITHIN) as client:
            running = _running(client)
            if not (worker and running):
                say("Stopping ...")
                return
            say(f"Stopping: up to {settings.drain_timeout:g} s are left to {_tasks(running)} ...")
            worker.stop()
            say(f"Stopped the worker: {fates(_outcomes(client, running))}.")
    except AWAY:
        say("Stopping ...")


def fates(rows: Sequence[ExecutionRow]) -> str:
    """What came of executions that ran, in words."""
    lost = [row for row in rows if row.state == "lost"]
    ended = [row for row in rows if row.state in TERMINAL_STATES and row not in lost]
    again = [row for row in rows if row.state not in TERMINAL_STATES]
    parts = [f"{_tasks(ended)} ended"] if ended else []
    parts += [f"{_tasks(again)} will run again after the next start"] if again else []
    parts += [f"{_tasks(lost)} ended as lost (at_most_once)"] if lost else []
    return "; ".join(parts)


def _running(client: Client) -> list[ExecutionRow]:
    page = client.executions(ExecutionFilter(state=("dispatched", "running")), limit=ASKED)
    return [row for row in page.items if row.state == "running" and row.worker]  # external ones need no worker


def _outcomes(client: Client, running: Sequence[ExecutionRow]) -> list[ExecutionRow]:
    """The same executions, once the API has heard that none of them runs any more."""
    until = time.monotonic() + HEARD_WITHIN
    while True:
        rows: list[ExecutionRow] = [client.execution(row.execution) for row in running]
        if all(row.state != "running" for row in rows) or time.monotonic() > until:
            return rows
        time.sleep(0.05)


def _tasks(rows: Sequence[ExecutionRow]) -> str:
    return named("task", sorted(row.task for row in rows))
