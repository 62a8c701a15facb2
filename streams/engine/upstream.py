"""Dependencies: who waits for whom, on this partition and across."""

from streams.engine import commands as c
from streams.engine.events import ResultKept, WatchKept
from streams.engine.place import place
from streams.engine.records import TERMINAL, Execution, State
from streams.engine.step import Step


def watch(step: Step, command: c.Watch) -> None:
    """Somebody on another partition waits for an execution of ours: remember it, or answer at once (see follow)."""
    record = newest(step, command.id)
    step.emit(WatchKept(record.id if record else command.id, command.watcher, command.id))


def upstream_finished(step: Step, command: c.UpstreamFinished) -> None:
    """News from another partition."""
    record = step.table.execution(command.id)
    if record is None or not _waits_for(record, command.upstream):
        return step.stale("it does not wait for this upstream any more", command.id)
    if command.result:
        step.emit(ResultKept(command.id, command.upstream, command.result))
    return _hear(step, record, command.upstream, command.state)


def tell_local(step: Step) -> None:
    """Tell everyone who lives here of what ended in this step; they may end in turn, and tell others."""
    while told := step.told():
        watcher, known_as, state = told
        if step.full:
            step.later(c.UpstreamFinished(watcher, known_as, state))  # its value is here: inputs() finds it
            continue
        record = step.table.execution(watcher)
        if record is not None and _waits_for(record, known_as):
            _hear(step, record, known_as, state)


def newest(step: Step, execution: bytes) -> Execution | None:
    """An execution that lives here, or the last of its manual retries."""
    record = step.table.execution(execution)
    while record and record.retried_as:
        record = step.table.execution(record.retried_as)
    return record


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
