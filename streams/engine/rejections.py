"""Why a command changes nothing. A stale one is nobody's fault; a wrong one goes to the dead letters."""

from typing import Protocol

from msgspec import Struct

from pipelines.model import LEAVE_IT_OUT
from streams.engine.records import State, TaskDef


class Rejection(Struct, frozen=True):
    """`reason` is a sentence for people; `stale` ones are only counted."""

    reason: str
    stale: bool = False
    execution: bytes = b""


MISSING = "does not exist: create it first"
"""Of a task or a pipeline that is not in the table."""


class Known(Protocol):
    """An execution of which is known what it is and where it stands: a record, or a row of the history."""

    @property
    def task(self) -> str:
        """Its task's id."""

    @property
    def run(self) -> str:
        """Its run; empty: the one without a name."""

    @property
    def kind(self) -> str:
        """Its task's kind."""

    @property
    def state(self) -> str:
        """Where it stands."""


def named(task: str, run: str) -> str:
    """An execution as people name it, for a sentence."""
    return f"{task!r} in {f'run {run!r}' if run else 'the run without a name'}"


def waits_for_itself(task: TaskDef, run: str) -> str:
    """Why a task cannot be executed in that run; empty: it waits for others, or for itself in another run."""
    own = any(name == task.id and other in {"", run} for name, other in task.upstream)
    return f"{named(task.id, run)} waits for itself: {LEAVE_IT_OUT}" if own else ""


def ended_already(one: Known) -> str:
    """Why it cannot be cancelled."""
    return f"{_standing(one)} already"


def not_ended(one: Known) -> str:
    """Why it cannot be retried."""
    return f"{_standing(one)}: only what has ended can be retried"


def retried_already(successor: str) -> str:
    """Why it is not retried again."""
    return f"it was retried already, as {successor}"


def not_external(one: Known) -> str:
    """Why no event finishes it."""
    return f"{named(one.task, one.run)} is of kind {one.kind}: only external executions are finished by event"


def not_running(one: Known) -> str:
    """Why it cannot be finished."""
    return f"{_standing(one)}: only a running execution can be finished"


def _standing(one: Known) -> str:
    verb = "has" if one.state in {State.SUCCEEDED, State.FAILED} else "is"
    return f"{named(one.task, one.run)} {verb} {one.state}"
