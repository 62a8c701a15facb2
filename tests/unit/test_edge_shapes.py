"""From steps of the live tail to what people read."""

from typing import Any

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
