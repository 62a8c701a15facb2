"""The only writer of state: one function per event. Applied twice is the same as applied once."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from streams.engine import events as e
from streams.engine.records import TERMINAL
from streams.engine.view import Table


def apply(table: Table, event: e.Event) -> None:
    """Make `event` part of the state."""
    _APPLIERS[type(event)](table, event)


def _moved(table: Table, event: e.Moved) -> None:
    record = event.execution
    table.put_execution(table.execution(record.id), record)
    if event.what == "created":
        table.put_body(record.id, event.call, event.payload)
    if event.result and not record.value and record.state in TERMINAL:
        table.put_result(record.id, event.result)


def _postponed(table: Table, event: e.Postponed) -> None:
    if record := table.execution(event.id):
        table.put_execution(record, replace(record, wake_at=event.until))


def _task_created(table: Table, event: e.TaskCreated) -> None:
    table.put_task(event.task)


def _pipeline_created(table: Table, event: e.PipelineCreated) -> None:
    table.put_pipeline(event.id, event.tasks)


def _task_deleted(table: Table, event: e.TaskDeleted) -> None:
    table.delete_task(event.task)


def _forgotten(table: Table, event: e.Forgotten) -> None:
    table.forget(event.id, mark=event.until > 0)


def _worker_banned(table: Table, event: e.WorkerBanned) -> None:
    table.ban(event.worker, event.until)


def _lent(table: Table, event: e.Lent) -> None:
    table.put_loan(event.loan)


def _taken_back(table: Table, event: e.TakenBack) -> None:
    table.put_loan(replace(event.loan, spans=()))


def _swept(table: Table, event: e.Swept) -> None:
    table.sweep(event.keys)


def _result_kept(table: Table, event: e.ResultKept) -> None:
    table.keep_result(event.id, event.upstream, event.result)


def _watch_kept(table: Table, event: e.WatchKept) -> None:
    table.watch(event.id, event.watcher, event.known_as)
    record = table.execution(event.id)
    if record and not record.watched:
        table.put_execution(record, replace(record, watched=True))


def _watch_ended(table: Table, event: e.WatchEnded) -> None:
    table.unwatch(event.id, event.watcher)


_APPLIERS: dict[type, Callable[[Table, Any], None]] = {
    e.Moved: _moved,
    e.Postponed: _postponed,
    e.TaskCreated: _task_created,
    e.PipelineCreated: _pipeline_created,
    e.TaskDeleted: _task_deleted,
    e.Forgotten: _forgotten,
    e.WorkerBanned: _worker_banned,
    e.Lent: _lent,
    e.TakenBack: _taken_back,
    e.ResultKept: _result_kept,
    e.WatchKept: _watch_kept,
    e.WatchEnded: _watch_ended,
    e.Swept: _swept,
}
