"""An attempt's life: assigned, started, finished, or lost with its worker."""

from typing import Any

from streams.engine import commands as c
from streams.engine.backoff import LOSS_DELAY, LOSS_LIMIT, retry_delay
from streams.engine.events import WorkerBanned
from streams.engine.place import ended, enter
from streams.engine.records import ON_WORKER, Execution, State
from streams.engine.step import Partition, Step
from streams.engine.view import View

INPUT_LIMIT = 4 * 1024 * 1024
"""Bytes of upstream values that one execution can be given."""


def assign(step: Step, command: c.Assign) -> None:
    """Give a waiting execution to the worker that DISPATCH proposes; the first valid proposal wins."""
    record = step.table.execution(command.id)
    if record is None or record.state != State.WAITING or command.attempt != record.attempt + 1:
        return step.stale("it does not wait for this attempt any more", command.id)
    if step.table.banned(command.worker):
        step.move(record, "ready", **enter(record, step.now))
        return None
    if record.upstream and (size := _input_bytes(step, record)) > INPUT_LIMIT:
        reason = f"the values of its upstream tasks take {size:,} bytes; the limit is {INPUT_LIMIT:,}"
        step.move(record, "failed", **ended(State.FAILED, step.now, reason), error=reason)
        return step.stale(reason, command.id)
    step.move(
        record,
        "assigned",
        state=State.DISPATCHED,
        attempt=command.attempt,
        worker=command.worker,
        lane=command.lane,
        seq=command.seq,
        dispatched_at=step.now,
        reason="",
    )
    return None


def started(step: Step, command: c.Started) -> None:
    """The attempt runs, and has for more than a moment."""
    record = step.table.execution(command.id)
    if record is None or record.state != State.DISPATCHED or record.attempt != command.attempt:
        return step.stale("another attempt counts now", command.id)
    late = _is_late(record, command.at)
    step.move(record, "started", state=State.RUNNING, started_at=command.at, late=late)
    return None


def finished(step: Step, command: c.Finished) -> None:
    """The attempt has ended, one way or another. Only the newest attempt of its worker is heard (promise I9)."""
    record = step.table.execution(command.id)
    if record is None or not _counts(record, command):
        return step.stale("another attempt counts now", command.id)
    if command.outcome == "returned":
        step.move(record, "returned", **enter(record, step.now))
        return None
    seen = {
        "started_at": command.started_at,
        "finished_at": command.finished_at,
        "late": _is_late(record, command.started_at),
        "lane": -1,
    }
    _end_attempt(step, record, command, seen)
    return None


def finish(step: Step, command: c.Finish) -> None:
    """Someone says how an external execution ended."""
    record = step.table.execution(command.id)
    if record is None:
        return step.reject("no such execution, or it ended too long ago", command.id)
    if record.kind != "external":
        return step.reject(f"it is of kind {record.kind}: only external executions are finished by event", command.id)
    if record.state != State.RUNNING:
        return step.reject(f"it is {record.state}: only a running execution can be finished", command.id)
    if command.state == State.SUCCEEDED:
        step.move(record, "succeeded", **ended(State.SUCCEEDED, step.now, ""), result=command.result)
    else:
        fail(step, record, command.error or "finished as failed", {"finished_at": step.now})
    return None


def worker_lost(step: Step, command: c.WorkerLost) -> None:
    """Whatever the worker had: again, if it may run twice, and `lost`, if it may not."""
    step.emit(WorkerBanned(command.worker, step.now))
    for execution in step.table.held_by(command.worker):
        record = step.table.execution(execution)
        if record and record.state in ON_WORKER and record.worker == command.worker:
            lose(step, record, f"worker {command.worker} was lost")


def lose(step: Step, record: Execution, why: str) -> None:
    """Nobody knows how far an attempt came."""
    losses = record.losses + 1
    gone: dict[str, Any] = {"losses": losses, "error": why, "lane": -1}
    if record.at_most_once:
        reason = f"{why}, and nobody can know whether it ran; it may not run twice"
        step.move(record, "lost", **ended(State.LOST, step.now, reason), **gone)
    elif losses >= LOSS_LIMIT:
        reason = f"{why}, the {losses}th that it took down"
        step.move(record, "failed", **ended(State.FAILED, step.now, reason), **gone)
    else:
        _retry_at(step, record, step.now + LOSS_DELAY, finished_at=step.now, **gone)


def fail(step: Step, record: Execution, error: str, seen: dict[str, Any], *, final: bool = False) -> None:
    """An attempt failed: another one follows, or the execution ends."""
    failures = record.failures + 1
    if final or record.at_most_once or failures > record.retry.limit:
        reason = "" if failures == 1 else f"failed {failures} times"
        changes = {**ended(State.FAILED, step.now, reason), **seen}
        step.move(record, "failed", **changes, failures=failures, error=error)
        return
    retry_at = step.now + retry_delay(record.retry, record.id, failures)
    _retry_at(step, record, retry_at, error=error, failures=failures, **seen)


def _end_attempt(step: Step, record: Execution, command: c.Finished, seen: dict[str, Any]) -> None:
    match command.outcome:
        case "succeeded":
            done = {"state": State.SUCCEEDED, "reason": "", "error": "", "has_result": bool(command.result)}
            step.move(record, "succeeded", result=command.result, cut=command.cut, **done, **seen)
        case "skipped":
            step.move(record, "skipped", state=State.SKIPPED, reason=command.error or "its code skipped it", **seen)
        case outcome:
            fail(step, record, command.error, seen, final=outcome == "refused")


def _retry_at(step: Step, record: Execution, moment: int, **changes: Any) -> None:
    step.move(record, "retrying", state=State.RETRYING, retry_at=moment, reason="", **changes)


def _counts(record: Execution, command: c.Finished) -> bool:
    return record.state in ON_WORKER and record.attempt == command.attempt and record.worker == command.worker


def _is_late(record: Execution, started_at: int) -> bool:
    return record.late or bool(record.max_latency and started_at > record.ready_at + record.max_latency)


def _input_bytes(step: Step, record: Execution) -> int:
    return sum(len(value) for value in inputs(step.table, step.partition, record).values())


def inputs(view: View, partition: Partition, record: Execution) -> dict[str, bytes]:
    """The values of the upstream tasks that succeeded with one, by task id."""
    found = {}
    for upstream, task, outcome in record.upstream:
        if outcome == State.SUCCEEDED:
            local = partition.is_home_of(upstream)
            value = view.result(upstream) if local else view.kept_result(record.id, upstream)
            if value:
                found[task] = value
    return found
