"""From steps of the live tail to what people read."""

from typing import Any

import pytest
from msgspec.structs import replace

from pipelines.ids import execution_id
from streams.edge import shapes
from streams.engine.events import Moved
from streams.engine.records import Execution

ONE = execution_id("t", "r")


def moved(what: str, version: int, state: str, **fields: Any) -> Moved:
    """A step of an execution."""
    return Moved(what, version, Execution(ONE, "t", "r", "shell", state, version, dispatched_at=version, **fields))


def test_an_attempt_has_no_error_but_its_own() -> None:
    """The second one runs without the first one's error; the first stays failed."""
    first = moved("retrying", 3, "retrying", attempt=1, error="no luck")
    second = moved("started", 6, "running", attempt=2, error="no luck")
    shown = [(one.attempt, one.state, one.error) for one in shapes.attempts([first, second])]
    assert shown == [(1, "failed", "no luck"), (2, "running", None)]


def test_what_was_handed_back_is_no_attempt() -> None:
    """The one that follows has its number."""
    back = moved("returned", 4, "waiting", attempt=1, handed_back=1)
    back = replace(back, execution=replace(back.execution, dispatched_at=0))
    steps = [moved("assigned", 3, "dispatched", attempt=1, worker="v"), back]
    view = shapes.execution(steps)
    assert (view.attempt, view.attempts) == (0, ())
    view = shapes.execution([*steps, moved("assigned", 5, "dispatched", attempt=2, handed_back=1, worker="w")])
    assert (view.attempt, [(one.attempt, one.worker) for one in view.attempts]) == (1, [(1, "w")])


def test_what_is_lost_has_no_duration() -> None:
    """When it ended nobody knows; the attempt before, whose end was seen, keeps its own."""
    steps = [
        moved("retrying", 3, "retrying", attempt=1, started_at=10, finished_at=25),
        moved("lost", 6, "lost", attempt=2, started_at=40, finished_at=90_000, at_most_once=True),
    ]
    view = shapes.execution(steps)
    assert (view.ran_ms, [one.ran_ms for one in view.attempts]) == (None, [15, None])
    assert view.delivery == "at_most_once"
    assert shapes.execution(steps[:1]).delivery == "at_least_once"


@pytest.mark.parametrize("ends", ["retrying", "failed"])
def test_what_went_with_its_worker_has_no_duration_either(ends: str) -> None:
    """Be it tried again, or once too often."""
    step = replace(moved(ends, 3, ends, attempt=1, started_at=10, finished_at=9_000), lost=True)
    view = shapes.execution([step])
    assert view.ran_ms is None
    assert [(one.state, one.ran_ms) for one in view.attempts] == [("lost", None)]


def test_what_ends_between_two_attempts_has_no_duration() -> None:
    """It was cancelled long after its attempt had failed, which keeps its own."""
    steps = [
        moved("retrying", 3, "retrying", attempt=1, started_at=10, finished_at=25, retry_at=9_000),
        moved("cancelled", 6, "cancelled", attempt=1, started_at=10, finished_at=5_000, retry_at=9_000),
    ]
    view = shapes.execution(steps)
    assert (view.ran_ms, [one.ran_ms for one in view.attempts]) == (None, [15])
