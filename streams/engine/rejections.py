"""Why a command changes nothing. A stale one is nobody's fault; a wrong one goes to the dead letters."""

from msgspec import Struct


class Rejection(Struct, frozen=True):
    """`reason` is a sentence for people; `stale` ones are only counted."""

    reason: str
    stale: bool = False
    execution: bytes = b""


MISSING = "does not exist: create it first"
"""Of a task or a pipeline that is not in the table."""


def ended_already(state: str) -> str:
    """Why it cannot be cancelled."""
    return f"it is {state} already"


def not_ended(state: str) -> str:
    """Why it cannot be retried."""
    return f"it is {state}: only what has ended can be retried"


def retried_already(successor: str) -> str:
    """Why it is not retried again."""
    return f"it was retried already, as {successor}"


def not_external(kind: str) -> str:
    """Why no event finishes it."""
    return f"it is of kind {kind}: only external executions are finished by event"


def not_running(state: str) -> str:
    """Why it cannot be finished."""
    return f"it is {state}: only a running execution can be finished"
