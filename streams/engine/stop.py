"""Stopping: by a person, or by time."""

from streams.engine import commands as c
from streams.engine.attempt import fail
from streams.engine.events import Forgotten
from streams.engine.place import ended, enter, place
from streams.engine.records import ON_WORKER, TERMINAL, Execution, State
from streams.engine.step import Step
from streams.engine.timers import attempt_ends_at, expires_at, late_at
from streams.engine.upstream import step_name


def cancel(step: Step, command: c.Cancel) -> None:
    """Stop an execution; a worker that runs it is told (see follow), and its result is no longer wanted."""
    record = step.table.execution(command.id)
    if record is None:
        return step.reject("no such execution, or it ended too long ago", command.id)
    if record.state in TERMINAL:
        return step.reject(f"it is {record.state} already", command.id)
    step.move(record, "cancelled", **ended(State.CANCELLED, step.now, command.reason or "cancelled"))
    return None


def wake(step: Step, command: c.Wake) -> None:
    """An execution's timer rang: do what is due, in the order of how final it is."""
    record = step.table.execution(command.id)
    if record is None or not record.wake_at or record.wake_at > command.at:
        return step.stale("its timer was set anew", command.id)
    if record.state in TERMINAL:
        return step.emit(Forgotten(record.id, step.now))
    expires = expires_at(record)
    if expires and expires <= command.at:
        reason = f"execution timeout of {record.execution_timeout / 1000:g} s"
        step.move(record, "failed", **ended(State.FAILED, step.now, reason), error=reason)
        return None
    return _wake_in_state(step, record, command.at)


def _wake_in_state(step: Step, record: Execution, at: int) -> None:
    if record.state == State.SCHEDULED:
        changes = place(record, max(step.now, at))
        step.move(record, step_name(changes["state"]), **changes)
    elif record.state == State.RETRYING:
        changes = enter(record, max(step.now, at))
        step.move(record, step_name(changes["state"]), **changes)
    elif record.state == State.WAITING and 0 < late_at(record) <= at:
        step.move(record, "late", late=True)
    elif record.state in ON_WORKER and 0 < attempt_ends_at(record) <= at:
        _attempt_over(step, record, at)


def _attempt_over(step: Step, record: Execution, at: int) -> None:
    if record.kind == "sleep":
        step.move(record, "succeeded", state=State.SUCCEEDED, finished_at=max(step.now, at), reason="")
        return
    fail(step, record, f"timeout of {record.timeout / 1000:g} s", {"finished_at": step.now})
