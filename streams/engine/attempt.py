"""An attempt's life: assigned, started, finished, or lost with its worker."""

from typing import Any

from streams.engine import commands as c
from streams.engine.backoff import LOSS_DELAY, LOSS_LIMIT, retry_delay
from streams.engine.events import WorkerBanned
from streams.engine.place import ended, enter
from streams.engine.records import ON_WORKER, SHORT, Execution, State
from streams.engine.rejections import named, not_external, not_running
from streams.engine.step import Partition, Step
from streams.engine.timers import late_at
from streams.engine.view import View

INPUT_LIMIT = 4 * 1024 * 1024
"""Bytes of upstream values that one execution can be given."""

BAN_KEPT = 3 * 86_400_000
"""Milliseconds after which no proposal for a lost worker can come any more: headrace.ready keeps messages for less."""


def assign(step: Step, command: c.Assign) -> None:
    """Give a waiting execution to the worker that DISPATCH proposes; the first valid proposal wins."""
    record = step.table.execution(command.id)
    if record is None or record.state != State.WAITING or command.attempt != record.attempt + 1:
        return step.stale("it does not wait for this attempt any more", command.id)
    if step.table.banned(command.worker):
        step.move(record, "ready")  # its place was taken from the line: it gets the same one
        return None
    if not give(step, record, command.worker, command.lane, command.seq):
        return step.stale("the values of its upstream tasks are too large", command.id)
    return None


def give(step: Step, record: Execution, worker: str, lane: int, seq: int) -> bool:
    """Let a waiting execution be the worker's, as its lane's `seq`; false: nobody can have it, and it has failed."""
    if record.upstream and (size := _input_bytes(step, record)) > INPUT_LIMIT:
        reason = f"the values of its upstream tasks take {size:,} bytes; the limit is {INPUT_LIMIT:,}"
        step.move(record, "failed", **ended(State.FAILED, step.now, reason), error=reason)
        return False
    step.move(
        record,
        "assigned",
        state=State.DISPATCHED,
        attempt=record.attempt + 1,
        worker=worker,
        lane=lane,
        seq=seq,
        dispatched_at=step.now,
        reason="",
    )
    return True


def started(step: Step, command: c.Started) -> None:
    """The attempt runs, and has for more than a moment."""
    record = step.table.execution(command.id)
    if record is None or record.state != State.DISPATCHED or record.attempt != command.attempt:
        return step.stale("another attempt counts now", command.id)
    at = _believable(step, record, command.at)
    step.move(_note_lateness(step, record, at), "started", state=State.RUNNING, started_at=at)
    return None


def finished(step: Step, command: c.Finished) -> None:
    """The attempt has ended, one way or another. Only the newest attempt of its worker is heard (promise I9)."""
    record = step.table.execution(command.id)
    if record is None or not _counts(record, command):
        return step.stale("another attempt counts now", command.id)
    if command.outcome == "returned":
        return _take_back(step, record)
    if command.outcome == "lost":
        return lose(step, record, command.error)
    started_at = record.started_at or _believable(step, record, command.started_at)
    finished_at = max(_believable(step, record, command.finished_at), started_at) or step.now
    seen = {"started_at": started_at, "finished_at": finished_at, "lane": -1}
    _end_attempt(step, _note_lateness(step, record, started_at), command, seen)
    return None


def finish(step: Step, command: c.Finish) -> None:
    """Someone says how an external execution ended."""
    record = step.table.execution(command.id)
    if record is None:
        return step.unknown(command)
    if record.kind != "external":
        return step.reject(not_external(record), command.id)
    if record.state != State.RUNNING:
        return step.reject(not_running(record), command.id)
    if command.attempt not in {0, record.attempt}:
        runs = f"attempt {record.attempt} of {named(record.task, record.run)} runs"
        return step.reject(f"{runs}: attempt {command.attempt} has ended already", command.id)
    if command.state == State.SUCCEEDED:
        done = {**ended(State.SUCCEEDED, step.now, ""), "error": "", **_value(command.result)}
        step.move(record, "succeeded", result=command.result, **done)
    else:
        fail(step, record, command.error or "finished as failed", {"finished_at": step.now})
    return None


def worker_lost(step: Step, command: c.WorkerLost) -> None:
    """Whatever the worker had: again, if it may run twice, and `lost`, if it may not."""
    step.emit(WorkerBanned(command.worker, step.now, step.now + BAN_KEPT))
    for execution in step.table.held_by(command.worker):
        if step.full:
            return step.send(command)
        record = step.table.execution(execution)
        if record and record.state in ON_WORKER and record.worker == command.worker:
            lose(step, record, f"worker {command.worker} was lost")
    return None


def lose(step: Step, record: Execution, why: str) -> None:
    """Nobody knows how far an attempt came."""
    losses = record.losses + 1
    gone: dict[str, Any] = {"losses": losses, "error": why, "lane": -1}
    if record.at_most_once:
        reason = f"{why}, and nobody can know whether it ran; it may not run twice"
        step.move(record, "lost", lost=True, **ended(State.LOST, step.now, reason), **gone)
    elif losses >= LOSS_LIMIT:
        reason = f"{why}, the {losses}th that it took down"
        step.move(record, "failed", lost=True, **ended(State.FAILED, step.now, reason), **gone)
    else:
        _retry_at(step, record, step.now + LOSS_DELAY, finished_at=step.now, lost=True, **gone)


def fail(step: Step, record: Execution, error: str, seen: dict[str, Any], *, final: bool = False) -> None:
    """An attempt failed: another one follows, or the execution ends."""
    failures = record.failures + 1
    if final or record.at_most_once or failures > record.retry.limit:
        reason = "" if failures == 1 else f"failed {failures} times"
        changes = {**ended(State.FAILED, step.now, reason), **seen}
        step.move(record, "failed", **changes, failures=failures, error=error)
        return
    retry_at = step.now + retry_delay(record.retry, record.id, failures)
    _retry_at(step, record, retry_at, error=error, failures=failures, deadline=0, **seen)


def _take_back(step: Step, record: Execution) -> None:
    """A worker hands back what it has not started; it is not believed where it said before that it had (promise I2)."""
    if record.state == State.RUNNING:
        return lose(step, record, f"worker {record.worker} gave it back after its start")
    step.take_back(record.worker)  # it has more than it wants
    again = enter(record, step.now) | {"ready_at": record.ready_at}
    step.move(record, "returned", handed_back=record.handed_back + 1, **again)
    return None


def _end_attempt(step: Step, record: Execution, command: c.Finished, seen: dict[str, Any]) -> None:
    match command.outcome:
        case "succeeded":
            done = {"state": State.SUCCEEDED, "reason": "", "error": "", **_value(command.result)}
            step.move(record, "succeeded", result=command.result, cut=command.cut, **done, **seen)
        case "skipped":
            step.move(record, "skipped", state=State.SKIPPED, reason=command.error or "its code skipped it", **seen)
        case outcome:
            fail(step, record, command.error, seen, final=outcome == "refused")


def _value(result: bytes) -> dict[str, Any]:
    return {"has_result": bool(result), "value": result if len(result) <= SHORT else b""}


def _retry_at(step: Step, record: Execution, moment: int, **changes: Any) -> None:
    step.move(record, "retrying", state=State.RETRYING, retry_at=moment, reason="", **changes)


def _counts(record: Execution, command: c.Finished) -> bool:
    return record.state in ON_WORKER and record.attempt == command.attempt and record.worker == command.worker


def _believable(step: Step, record: Execution, moment: int) -> int:
    """A time that a worker reports, held between its assignment and now: a wrong clock must move no timer."""
    return min(max(moment, record.dispatched_at), step.now) if moment else 0


def _note_lateness(step: Step, record: Execution, started_at: int) -> Execution:
    """A miss is told as a step of its own, where it began after its limit and its timer has not said so."""
    limit = late_at(record)
    return step.move(record, "late", late=True) if 0 < limit < started_at else record


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
