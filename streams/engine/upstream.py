"""Dependencies: who waits for whom, on this partition and across."""

from streams.engine import commands as c
from streams.engine.events import ResultKept, WatchEnded, WatchKept
from streams.engine.place import place
from streams.engine.records import TERMINAL, Execution, State
from streams.engine.step import Step

TELL_LIMIT = 1_000
"""Watchers that one step tells of one end at the most."""


def watch(step: Step, command: c.Watch) -> None:
    """Somebody on another partition waits for an execution of ours: remember it, or answer at once."""
    known, outcome = standing(step, command.id)
    if outcome:
        _tell_away(step, command.watcher, command.id, outcome, step.table.result(known))
    else:
        step.emit(WatchKept(known, command.watcher, command.id))


def unwatch(step: Step, command: c.Unwatch) -> None:
    """Somebody on another partition has ended without an execution of ours."""
    for known in {command.id, standing(step, command.id)[0]}:
        step.emit(WatchEnded(known, command.watcher))


def upstream_finished(step: Step, command: c.UpstreamFinished) -> None:
    """News from another partition."""
    record = step.table.execution(command.id)
    if record is None or not _waits_for(record, command.upstream):
        return step.stale("it does not wait for this upstream any more", command.id)
    if command.result:
        step.emit(ResultKept(command.id, command.upstream, command.result))
    return _hear(step, record, command.upstream, command.state)


def tell_all(step: Step) -> None:
    """Tell everyone who waits for what ended in this step; those who live here may end in turn, and so on."""
    while ended := step.ended():
        tell(step, c.Tell(ended, b""))


def tell(step: Step, command: c.Tell) -> None:
    """Tell those who wait for what has ended, as many as one step can; the rest follows by a command to oneself."""
    record = step.table.execution(command.id)
    if record is None or record.state not in TERMINAL:
        return step.stale("it has not ended, or too long ago", command.id)
    told = tell_some(step, record, command.after)
    if step.full or len(told) == TELL_LIMIT:
        step.send(c.Tell(record.id, told[-1] if told else command.after))
    return None


def tell_some(step: Step, record: Execution, after: bytes) -> list[bytes]:
    """Tell those who wait for what has ended and whose ids come after `after`, as many as one step can; whom."""
    result = step.table.result(record.id) if record.has_result else b""
    told = []
    for watcher, known_as in step.table.watchers(record.id, after, TELL_LIMIT):
        if step.full:
            break
        if step.partition.is_home_of(watcher):
            _tell_here(step, watcher, known_as, record.state)
        else:
            _tell_away(step, watcher, known_as, record.state, result)
        told.append(watcher)
    return told


def standing(step: Step, execution: bytes) -> tuple[bytes, str]:
    """The last manual retry of an execution that lives here, or itself, and how that ended (empty: it has not)."""
    known, outcome = execution, ""
    while execution and (found := step.table.execution(execution) or step.table.mark(execution)):
        known, outcome = execution, found.state if found.state in TERMINAL else ""
        execution = found.retried_as
    return known, outcome


def _tell_here(step: Step, watcher: bytes, upstream: bytes, outcome: str) -> None:
    record = step.table.execution(watcher)
    if record is not None and _waits_for(record, upstream):
        _hear(step, record, upstream, outcome)


def _tell_away(step: Step, watcher: bytes, upstream: bytes, outcome: str, result: bytes) -> None:
    step.send(c.UpstreamFinished(watcher, upstream, outcome, result), len(result))


def _waits_for(record: Execution, upstream: bytes) -> bool:
    return record.state not in TERMINAL and any(u == upstream and not outcome for u, _, outcome in record.upstream)


def _hear(step: Step, record: Execution, upstream: bytes, state: str) -> None:
    heard = tuple((u, t, state if u == upstream else outcome) for u, t, outcome in record.upstream)
    record = step.move(record, "upstream_finished", upstream=heard)
    if record.state != State.BLOCKED:
        return
    changes = place(record, step.now)
    if changes["state"] != State.BLOCKED:
        step.move(record, step_name(changes["state"]), **changes)


def step_name(state: State) -> str:
    """What the step into a state is called."""
    return {State.WAITING: "ready", State.RUNNING: "started"}.get(state, str(state))
