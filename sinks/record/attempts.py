"""What a step of an execution says of its newest attempt."""

from streams.engine.events import Moved
from streams.engine.records import State

ENDS = frozenset({"cancelled", "failed"})
"""Steps that can end an execution while it waits for its next attempt."""


def is_try(move: Moved) -> bool:
    """Whether a step says something of the newest attempt: it has it, ended it, or handed it back.

    What ends an execution while it waits for its next attempt says nothing of the last one.
    """
    if not move.execution.dispatched_at:
        return move.what == "returned"
    return not _ended_between(move)


def number_of_try(move: Moved) -> int:
    """Which attempt a step says something of, as people count; one that is handed back loses its number by that."""
    return move.execution.number + (move.what == "returned")


def _ended_between(move: Moved) -> bool:
    """Whether it ended an execution that waited for its next attempt."""
    return move.what in ENDS and move.execution.retry_at > move.execution.finished_at


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
