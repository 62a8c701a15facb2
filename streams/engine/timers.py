"""An execution's one timer: when the scheduler must look at it again."""

from streams.engine.records import TERMINAL, Execution, State

GRACE = 10_000
"""Milliseconds that a worker gets to report a timeout before the scheduler gives the attempt up itself."""

PATIENCE = 600_000
"""Milliseconds that stand in for a missing max_latency where executions of one priority are ordered."""

_UNTIMED = frozenset({State.BLOCKED, State.WAITING, State.DISPATCHED, State.RUNNING})
"""States in which only what the task itself limits can ring."""


def late_at(record: Execution) -> int:
    """When a waiting execution misses its max_latency; 0 = never, or it has already."""
    return record.ready_at + record.max_latency if record.max_latency and not record.late else 0


def expires_at(record: Execution) -> int:
    """When the whole execution times out; 0 = never."""
    return record.due_at + record.execution_timeout if record.execution_timeout else 0


def attempt_ends_at(record: Execution) -> int:
    """When the scheduler ends the present attempt by itself; 0 = never."""
    if record.kind == "sleep":
        return record.started_at + record.sleep
    if not record.timeout:
        return 0
    since = record.started_at or record.dispatched_at
    return since + record.timeout + (0 if record.kind == "external" else GRACE)


def wake_time(record: Execution, keep_finished: int) -> int:
    """The earliest of what can happen to a record by time alone; 0 = nothing."""
    state = record.state
    if state in TERMINAL:
        return record.finished_at + keep_finished
    if state in _UNTIMED and not (
        record.timeout or record.execution_timeout or record.max_latency or record.kind == "sleep"
    ):
        return 0  # the way of nearly all, on the hot path
    moments = [expires_at(record)]
    if state == State.SCHEDULED:
        moments.append(record.due_at)
    elif state == State.WAITING:
        moments.append(late_at(record))
    elif state == State.RETRYING:
        moments.append(record.retry_at)
    elif state in (State.DISPATCHED, State.RUNNING):
        moments.append(attempt_ends_at(record))
    return min((m for m in moments if m), default=0)
