"""From envelopes to rows: what each table of the history gets of a batch of messages.

A row is a tuple in the order of its table's columns, with times in milliseconds and ids as hex digits: what ClickHouse
reads from MessagePack without changing it (see tables.py).
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from sinks.record import bounds
from streams import envelope
from streams.engine.events import UNRECORDED, LogLine, Moved, PipelineCreated, RecordedEvent, TaskCreated, TaskDeleted
from streams.engine.records import State, TaskDef

INDEX_BITS = 20
"""A message holds fewer than 2^20 events; `position` is its offset and the event's index in it, as one number."""

Row = tuple[Any, ...]
Step = tuple[int, int, Moved]
"""An event with its partition and its position."""

K = TypeVar("K")

ENDS = frozenset({"cancelled", "failed"})
"""Steps that can end an execution while it waits for its next attempt."""

_NAMES = {
    "events": "execution version at what state task created_at attempt worker reason error call payload "
    "partition position",
    "executions": "execution task pipeline run kind state version attempt failures losses priority pool queue owner "
    "worker late created_at due_at ready_at dispatched_at started_at finished_at retry_at updated_at ran_ms "
    "max_latency_ms timeout_ms execution_timeout_ms at_most_once trigger upstream reason error result result_cut "
    "again retry_of partition position",
    "attempts": "execution attempt version task created_at state worker ready_at dispatched_at started_at finished_at "
    "error returned partition position",
    "tasks": "task pipeline kind priority pool queue owner trigger upstream retries timeout_ms execution_timeout_ms "
    "max_latency_ms at_most_once description call payload created_at deleted position",
    "pipelines": "pipeline tasks description created_at",
    "logs": "execution attempt seq at stream level text worker",
    "progress": "topic partition next_offset",
}
COLUMNS = {table: names.split() for table, names in _NAMES.items()}
"""What is written of each table; the rest ClickHouse fills in by itself."""


class Batch:
    """Messages on their way into the tables. Of an execution only its newest step becomes its row.

    Where an id was forgotten and used anew, those are two: the moment of creation tells them apart.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {"events": [], "tasks": [], "pipelines": [], "logs": []}
        self._newest: dict[tuple[bytes, int], Step] = {}
        self._tries: dict[tuple[bytes, int, int], Step] = {}

    def add(self, is_logs: bool, partition: int, offset: int, message: bytes) -> None:  # noqa: FBT001  (one of two topics)
        """Take an envelope of headrace.events or headrace.logs, whole or not at all.

        Raises msgspec's DecodeError where it is none, or where a number in it fits into no column.
        """
        if is_logs:
            self._add_lines(envelope.log_lines(message))
        else:
            self._add_events(partition, offset, envelope.recorded_events(message))

    def _add_lines(self, lines: list[LogLine]) -> None:
        for line in lines:
            bounds.LINE.check(line)
        self.rows["logs"].extend(map(log_row, lines))

    def _add_events(self, partition: int, offset: int, events: list[RecordedEvent]) -> None:
        for event in events:
            bounds.check_event(event)
        rows, newest, tries = self.rows["events"], self._newest, self._tries
        for position, event in enumerate(events, offset << INDEX_BITS):
            if not isinstance(event, Moved):
                self._define(position, event)
                continue
            if event.what in UNRECORDED:
                continue
            record = event.execution
            step = partition, position, event
            rows.append(event_row(*step))
            life = record.id, record.created_at
            _keep(newest, life, step)
            if record.attempt and is_try(event):
                _keep(tries, (*life, record.attempt), step)

    def _define(self, position: int, event: TaskCreated | TaskDeleted | PipelineCreated) -> None:
        if isinstance(event, TaskCreated):
            row = task_row(event.task, event.at, position)
            self.rows["tasks"].append(row)
        elif isinstance(event, TaskDeleted):
            self.rows["tasks"].append(deleted_row(event, position))
        else:
            self.rows["pipelines"].append(pipeline_row(event))

    def tables(self) -> Iterator[tuple[str, list[Row]]]:
        """Each table that gets rows, and these.

        Executions come last: whoever sees one in a state finds the events and attempts that led there.
        """
        self.rows["attempts"] = [attempt_row(*step) for step in self._tries.values()]
        self.rows["executions"] = [execution_row(*step) for step in self._newest.values()]
        for table, rows in self.rows.items():
            if rows:
                yield table, rows


def _keep(steps: dict[K, Step], key: K, step: Step) -> None:
    """Note the newest step: a scheduler that was paused sends what it had decided behind what came after it."""
    known = steps.get(key)
    if known is None or known[2].execution.version <= step[2].execution.version:
        steps[key] = step


def is_try(move: Moved) -> bool:
    """Whether a step says something of the newest attempt: it has it, ended it, or handed it back.

    What ends an execution while it waits for its next attempt says nothing of the last one.
    """
    if not move.execution.dispatched_at:
        return move.what == "returned"
    return not _ended_between(move)


def _ended_between(move: Moved) -> bool:
    """Whether it ended an execution that waited for its next attempt."""
    return move.what in ENDS and move.execution.retry_at > move.execution.finished_at


def event_row(partition: int, position: int, move: Moved) -> Row:
    """A transition."""
    record = move.execution
    return (
        record.id.hex(),
        record.version,
        move.at,
        move.what,
        record.state,
        record.task,
        record.created_at,
        record.attempt,
        record.worker,
        record.reason,
        record.error,
        _text(move.call),
        _text(move.payload),
        partition,
        position,
    )


def execution_row(partition: int, position: int, move: Moved) -> Row:
    """An execution as of this step."""
    record = move.execution
    return (
        record.id.hex(),
        record.task,
        pipeline_of(record.task),
        record.run,
        record.kind,
        record.state,
        record.version,
        record.attempt,
        record.failures,
        record.losses,
        record.priority,
        record.pool,
        record.queue,
        record.owner,
        record.worker,
        record.late,
        record.created_at,
        record.due_at or None,
        record.ready_at or None,
        record.dispatched_at or None,
        record.started_at or None,
        record.finished_at or None,
        record.retry_at or None,
        move.at,
        ran_ms(move),
        record.max_latency or None,
        record.timeout or None,
        record.execution_timeout or None,
        record.at_most_once,
        record.trigger,
        [(upstream.hex(), task, state) for upstream, task, state in record.upstream] if record.upstream else (),
        record.reason,
        record.error,
        _text(move.result),
        move.cut,
        record.again,
        record.retry_of.hex() or None,
        partition,
        position,
    )


def attempt_row(partition: int, position: int, move: Moved) -> Row:
    """The newest attempt of an execution as of this step."""
    record = move.execution
    return (
        record.id.hex(),
        record.attempt,
        record.version,
        record.task,
        record.created_at,
        state_of_try(move),
        record.worker,
        record.ready_at or None,
        record.dispatched_at or None,
        record.started_at or None,
        record.finished_at or None,
        error_of_try(move),
        move.what == "returned",
        partition,
        position,
    )


def state_of_try(move: Moved) -> str:
    """How the attempt stands or ended: it stays failed, or lost with its worker, while the next one is awaited."""
    if move.lost:
        return State.LOST
    return State.FAILED if move.what == "retrying" else move.execution.state


def ran_ms(move: Moved) -> int | None:
    """Milliseconds that the newest attempt ran; none: it has not ended, or nobody saw when it did.

    Where an execution ended while it waited for its next attempt, its own end is not the last one's.
    """
    record = move.execution
    began, ended = record.started_at, record.finished_at
    if not 0 < began <= ended or state_of_try(move) == State.LOST or _ended_between(move):
        return None
    return ended - began


def error_of_try(move: Moved) -> str:
    """Its own error, if it has one: until it ends, the record keeps the one of the attempt before."""
    return move.execution.error if state_of_try(move) in {State.FAILED, State.LOST} else ""


def task_row(task: TaskDef, at: int, position: int) -> Row:
    """A definition."""
    return (
        task.id,
        pipeline_of(task.id),
        task.kind,
        task.priority,
        task.pool,
        task.queue,
        task.owner,
        task.trigger,
        task.upstream,
        task.retry.limit,
        task.timeout or None,
        task.execution_timeout or None,
        task.max_latency or None,
        task.at_most_once,
        task.description,
        _text(task.call),
        _text(task.payload),
        at,
        False,
        position,
    )


def deleted_row(event: TaskDeleted, position: int) -> Row:
    """A deletion: it stands beside the definition."""
    gone = TaskDef(event.task, kind="")
    return (*task_row(gone, event.at, position)[:-2], True, position)


def pipeline_row(event: PipelineCreated) -> Row:
    """A pipeline."""
    return (event.id, event.tasks, event.description, event.at)


def log_row(line: LogLine) -> Row:
    """A line of output."""
    return (
        line.execution.hex(),
        line.attempt,
        line.seq,
        line.at,
        line.stream,
        line.level,
        line.text,
        line.worker,
    )


def pipeline_of(task: str) -> str:
    """The pipeline that a task's id names; empty: none."""
    first, dot, _ = task.partition(".")
    return first if dot else ""


def _text(json: bytes) -> bytes | str:
    return json if json.isascii() else json.decode("utf-8", "replace")
