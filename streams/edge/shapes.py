"""From the engine's records and events to the views that people read."""

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
from pydantic import JsonValue

from pipelines.ids import pipeline_of, to_text
from pipelines.model import Delivery
from pipelines.views import (
    AttemptView,
    DeadLetterView,
    EventView,
    ExecutionRow,
    ExecutionView,
    PipelineView,
    StateName,
    TaskView,
    UpstreamView,
)
from sinks.record.attempts import error_of_try, is_try, number_of_try, ran_ms, state_of_try
from streams.edge.board import maybe, moment, now_ms
from streams.engine.events import Moved, PipelineCreated, Refused, TaskCreated
from streams.engine.records import Execution, State, TaskDef

WAITS = frozenset({State.WAITING, State.DISPATCHED})


def row(moved: Moved) -> ExecutionRow:
    """An execution in a list, as of its newest step."""
    record = moved.execution
    return ExecutionRow(
        execution=to_text(record.id),
        task=record.task,
        pipeline=pipeline_of(record.task) or None,
        run=record.run,
        kind=record.kind,
        state=cast("StateName", str(record.state)),
        priority=record.priority,
        pool=record.pool,
        queue=record.queue,
        owner=record.owner,
        again=record.again,
        attempt=record.number,
        worker=record.worker or None,
        late=record.late,
        created_at=moment(record.created_at),
        due_at=maybe(record.due_at),
        ready_at=maybe(record.ready_at),
        dispatched_at=maybe(record.dispatched_at),
        started_at=maybe(record.started_at),
        finished_at=maybe(record.finished_at),
        updated_at=moment(moved.at),
        waited_ms=waited(record),
        ran_ms=ran(moved),
        max_latency_ms=record.max_latency or None,
        reason=record.reason or None,
        error=record.error or None,
    )


def execution(steps: Sequence[Moved]) -> ExecutionView:
    """One execution, from all of its steps that are known (at least one; the newest last)."""
    last, record = steps[-1], steps[-1].execution
    made = next((m for m in steps if m.what == "created"), None)
    done = next((m for m in reversed(steps) if m.result), None)
    return ExecutionView(
        **dict(row(last)),
        trigger=record.trigger,
        delivery=Delivery.of(record.at_most_once),
        upstream=tuple(_upstream(u) for u in record.upstream),
        attempts=attempts(steps),
        call=value(made.call) if made else None,
        payload=value(made.payload) if made else None,
        result=value(done.result) if done else None,
        result_cut=bool(done and done.cut),
        retry_of=to_text(record.retry_of) if record.retry_of else None,
        retried_as=to_text(record.retried_as) if record.retried_as else None,
    )


def joined(past: ExecutionView, present: ExecutionView) -> ExecutionView:
    """History and the live tail in one: where the tail begins in the middle, what came before is history's."""
    tries = {a.attempt: a for a in (*past.attempts, *present.attempts)}
    result = present if present.result is not None else past
    return present.model_copy(
        update={
            "attempts": tuple(tries[number] for number in sorted(tries)),
            "downstream": past.downstream,
            "call": past.call,
            "payload": past.payload,
            "result": result.result,
            "result_cut": result.result_cut,
            "retried_as": present.retried_as or past.retried_as,
        }
    )


def attempts(steps: Iterable[Moved]) -> tuple[AttemptView, ...]:
    """The tries of an execution: of each attempt number, the newest step that belongs to it.

    One that was handed back is none: nothing of it was begun.
    """
    newest = {number_of_try(m): m for m in steps if m.execution.attempt and is_try(m)}
    return tuple(_attempt(newest[number]) for number in sorted(newest) if newest[number].execution.dispatched_at)


def _attempt(move: Moved) -> AttemptView:
    record = move.execution
    return AttemptView(
        attempt=record.number,
        state=cast("StateName", str(state_of_try(move))),
        worker=record.worker or None,
        ready_at=maybe(record.ready_at),
        dispatched_at=maybe(record.dispatched_at),
        started_at=maybe(record.started_at),
        finished_at=maybe(record.finished_at),
        waited_ms=waited(record),
        ran_ms=ran(move),
        error=error_of_try(move) or None,
    )


def event(moved: Moved) -> EventView:
    """A transition."""
    record = moved.execution
    return EventView(
        at=moment(moved.at),
        what=moved.what,
        state=cast("StateName", str(record.state)),
        attempt=number_of_try(moved),
        worker=record.worker or None,
        reason=record.reason or None,
        error=record.error or None,
    )


def task(created: TaskCreated) -> TaskView:
    """A definition that has just been made."""
    made: TaskDef = created.task
    return TaskView(
        task=made.id,
        kind=made.kind,
        priority=made.priority,
        pool=made.pool,
        queue=made.queue,
        owner=made.owner,
        trigger=made.trigger,
        upstream=tuple(f"{task} in {run}" if run else task for task, run in made.upstream),
        description=made.description,
        created_at=moment(created.at),
        call=value(made.call),
        payload=value(made.payload),
    )


def letter(refused: Refused) -> DeadLetterView:
    """A dead letter."""
    fields = msgspec.structs.asdict(refused)
    ordered_at = None if refused.ordered_at is None else moment(refused.ordered_at)
    fields |= {"at": moment(refused.at), "execution": refused.execution or None, "ordered_at": ordered_at}
    return DeadLetterView(**fields)


def pipeline(made: PipelineCreated) -> PipelineView:
    """A pipeline that has just been made."""
    return PipelineView(pipeline=made.id, description=made.description, tasks=made.tasks, created_at=moment(made.at))


def waited(record: Execution) -> int | None:
    """Milliseconds from being able to run to running, so far while it waits; none where it never could run."""
    until = now_ms() if record.state in WAITS else record.started_at
    return max(until - record.ready_at, 0) if until and record.ready_at else None


def ran(move: Moved) -> int | None:
    """Milliseconds that the newest attempt ran, so far while it runs; none where it never started or was lost."""
    record = move.execution
    if record.state == State.RUNNING and record.started_at:
        return max(now_ms() - record.started_at, 0)
    return ran_ms(move)


def value(encoded: bytes) -> JsonValue:
    """JSON bytes as a value; no bytes are none."""
    return cast("JsonValue", msgspec.json.decode(encoded)) if encoded else None


def _upstream(upstream: tuple[bytes, str, str]) -> UpstreamView:
    execution, task, outcome = upstream
    return UpstreamView(execution=to_text(execution), task=task, state=cast("StateName", outcome) if outcome else None)
