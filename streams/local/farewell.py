"""What becomes of the tasks that run when everything is stopped: said before, and when the worker has ended."""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic import ValidationError

from pipelines.command import command
from pipelines.requests import ExecutionFilter
from pipelines.views import TERMINAL_STATES, ExecutionPage, ExecutionRow, WorkerView
from streams.local.example import named
from streams.local.supervisor import Child
from streams.settings import Settings
from streams.token import read_token
from ui.client import ApiError, ApiUnavailableError, Client
from ui.parts import formats

AWAY = (ApiError, ApiUnavailableError, OSError, ValidationError)
"""Why the API may say nothing: it never came up, is gone already, or something else answers at its address."""

ASKED = 100
"""Running tasks that are looked at."""

HEARD_WITHIN = 2.0
"""Seconds in which the API hears of what a worker said last."""

LISTED_WITHIN = 1.0
"""Seconds in which the history lists what a worker has begun."""

PAUSE = 0.05


def drain(settings: Settings, worker: Child | None, say: Callable[[str], None]) -> None:
    """Stop the worker before all others where tasks run, and say what is waited for and what came of it."""
    running = _running(settings, worker)
    if not (worker and running and running.items):  # what is too short to be listed ends while the worker stops
        say("Stopping ...")
        return
    more = "at least " if running.total > len(running.items) else ""
    say(f"Stopping: up to {settings.drain_timeout:g} s are left to {more}{_tasks(running.items)} ...")
    try:
        worker.stop()
    except KeyboardInterrupt:  # it is killed by now
        say(f"Cut short: {_cut(settings, running)}.")
        raise
    say(f"Stopped the worker: {_told(settings, running)}.")


def fates(rows: Sequence[ExecutionRow]) -> str:
    """What came of executions that ran, in words."""
    lost = [row for row in rows if row.state == "lost"]
    ended = [row for row in rows if row.state in TERMINAL_STATES and row not in lost]
    silent = [row for row in rows if row.state == "running"]
    again = [row for row in rows if row.state not in TERMINAL_STATES and row not in silent]
    parts = [f"{_tasks(ended)} ended"] if ended else []
    parts += [f"{_tasks(again)} will run again after the next start"] if again else []
    parts += [f"{_tasks(lost)} ended as lost (at_most_once)"] if lost else []
    parts += [f"nothing was heard of {_tasks(silent)}"] if silent else []
    return "; ".join(parts)


def still_running(page: ExecutionPage) -> ExecutionPage:
    """Without those of the page that have moved on since the history was written."""
    running = tuple(row for row in page.items if row.state == "running")
    return ExecutionPage(items=running, total=page.total - len(page.items) + len(running))


def _running(settings: Settings, worker: Child | None) -> ExecutionPage | None:
    """What our worker runs, the newest first; none: nobody can say."""
    try:
        with _client(settings) as client:
            own = next((one for one in client.workers() if _is(one, worker)), None)
            return _listed(client, own) if own else None
    except AWAY:
        return None


def _is(seen: WorkerView, worker: Child | None) -> bool:
    process = worker and worker.process
    return bool(process and (seen.host, seen.pid) == (socket.gethostname(), process.pid))


def _listed(client: Client, worker: WorkerView) -> ExecutionPage:
    """The worker's running tasks, of which the history may be a moment behind what the worker says itself."""
    until = time.monotonic() + LISTED_WITHIN
    which = ExecutionFilter(state=("running",), worker=worker.worker)
    while True:
        page = still_running(client.executions(which, limit=ASKED))
        if page.items or not worker.running or time.monotonic() > until:
            return page
        time.sleep(PAUSE)


def _told(settings: Settings, running: ExecutionPage) -> str:
    """What came of them, or where to look for it."""
    try:
        with _client(settings) as client:
            said = fates(_outcomes(client, running.items))
    except AWAY:
        unknown = f"what came of {_tasks(running.items)} could not be learned"
        return f"{unknown}: after the next start `{command('list')}` says it"
    more = running.total - len(running.items)
    return f"{said}; {more} more were not looked at" if more > 0 else said


def _cut(settings: Settings, running: ExecutionPage) -> str:
    """Which of them a kill met, as far as anybody can say at once, and what the next start makes of those."""
    rows: Sequence[ExecutionRow] = running.items
    with suppress(*AWAY), _client(settings) as client:
        rows = [row for row in _now(client, rows) if row.state not in TERMINAL_STATES]
    more = running.total - len(running.items)
    also = f" and {more} more" if more > 0 else ""
    fate = "after the next start what is at_most_once ends as lost, all else runs again"
    return f"{_tasks(rows)}{also}; {fate}" if rows else f"nothing: {_tasks(running.items)} ended"


def _outcomes(client: Client, running: Sequence[ExecutionRow]) -> list[ExecutionRow]:
    """The same executions, once the API has heard that none of them runs any more."""
    until = time.monotonic() + HEARD_WITHIN
    while True:
        rows = _now(client, running)
        if all(row.state != "running" for row in rows) or time.monotonic() > until:
            return rows
        time.sleep(PAUSE)


def _now(client: Client, rows: Sequence[ExecutionRow]) -> list[ExecutionRow]:
    return [client.execution(row.execution) for row in rows]


def _client(settings: Settings) -> Client:
    return Client(settings.edge_url, read_token(settings), timeout=HEARD_WITHIN)


def _tasks(rows: Sequence[ExecutionRow]) -> str:
    """By name and short id: executions of one task are told apart."""
    return named("task", sorted(f"{row.task} ({formats.short_id(row.execution)})" for row in rows))
