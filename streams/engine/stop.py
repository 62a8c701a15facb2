"""Stopping: by a person, or by time."""

from streams.engine import commands as c
from streams.engine.attempt import fail
from streams.engine.events import Forgotten, Postponed, Swept, WatchEnded
from streams.engine.place import ended, enter, place
from streams.engine.records import ON_WORKER, TERMINAL, Execution, State
from streams.engine.rejections import ended_already
from streams.engine.step import Step
from streams.engine.timers import GRACE, attempt_ends_at, expires_at, late_at
from streams.engine.upstream import step_name, tell_some

GAP = 5_000
"""Milliseconds without a look at the clock after which the log was away, or the machine stood still."""

SWEEP_LIMIT = 2_000
"""What one step forgets or removes at the most: some 20 ms of work."""


def cancel(step: Step, command: c.Cancel) -> None:
    """Stop an execution; a worker that runs it is told (see follow), and its result is no longer wanted."""
    record = step.table.execution(command.id)
    if record is None:
        return step.unknown(command)
    if record.state in TERMINAL:
        return step.reject(ended_already(record), command.id)
    step.move(record, "cancelled", **ended(State.CANCELLED, step.now, command.reason or "cancelled"))
    return None


def wake(step: Step, command: c.Wake) -> None:
    """An execution's timer rang: do what is due by the log's time, in the order of how final it is."""
    record = step.table.execution(command.id)
    if record is None or record.state in TERMINAL or not record.wake_at or record.wake_at > step.now:
        return step.stale("it has ended, or its timer is not due, or was set anew", command.id)
    if record.state in ON_WORKER and record.kind != "sleep" and command.since < step.now - GAP:
        step.emit(Postponed(command.id, step.now + GRACE))  # its result may have waited for the log as well
        return None
    expires = expires_at(record)
    if expires and expires <= step.now:
        reason = f"execution timeout of {record.execution_timeout / 1000:g} s"
        step.move(record, "failed", **ended(State.FAILED, step.now, reason), error=reason)
        return None
    return _wake_in_state(step, record)


def sweep(step: Step, _: c.Sweep) -> None:
    """Forget what ended long ago, and remove marks and bans that have outlived their use, as many as one step can."""
    remember = step.partition.remember_done
    over = step.table.over(step.now, remember, SWEEP_LIMIT)
    for which in over.executions:
        if not _tell_last(step, which):
            return
        step.emit(Forgotten(which, step.now, step.now + remember if remember else 0))
    if over.keys:
        step.emit(Swept(over.keys, step.now))


def _tell_last(step: Step, which: bytes) -> bool:
    """Let those who still wait for one that is forgotten hear how it ended; whether all have.

    They may be more than one step can tell: another sweep comes.
    """
    if step.table.watched(which) and (record := step.table.execution(which)):
        for watcher in tell_some(step, record, b""):
            step.emit(WatchEnded(which, watcher))
        return not step.table.watched(which)
    return True


def _wake_in_state(step: Step, record: Execution) -> None:
    if record.state == State.SCHEDULED:
        changes = place(record, step.now)
        step.move(record, step_name(changes["state"]), **changes)
    elif record.state == State.RETRYING:
        changes = enter(record, step.now)
        step.move(record, step_name(changes["state"]), **changes)
    elif record.state == State.WAITING and 0 < late_at(record) <= step.now:
        step.move(record, "late", late=True)
    elif record.state in ON_WORKER and 0 < attempt_ends_at(record) <= step.now:
        _attempt_over(step, record)


def _attempt_over(step: Step, record: Execution) -> None:
    if record.kind == "sleep":
        step.move(record, "succeeded", state=State.SUCCEEDED, finished_at=step.now, reason="")
        return
    fail(step, record, f"timeout of {record.timeout / 1000:g} s", {"finished_at": step.now})
