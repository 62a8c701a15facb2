"""The order in which many are retried."""

import pytest

from pipelines.ids import execution_id, to_text
from sinks.record.history import Waits
from streams.edge.in_order import in_order


def named(task: str, again: int = 0, run: str = "r") -> str:
    """An execution's id."""
    return to_text(execution_id(task, run, again))


def waits(task: str, *upstream: str, again: int = 0, run: str = "r") -> Waits:
    """What an execution waits for."""
    return Waits(named(task, again, run), task, run, again, upstream)


@pytest.mark.parametrize("again", [0, 2])
def test_each_comes_after_what_it_waits_for(again: int) -> None:
    """However they were found, and by whichever of its retries an upstream is named."""
    known = [waits("a", again=again), waits("b", named("a"), again=again), waits("c", named("b", again), again=again)]
    a, b, c = (one.execution for one in known)
    for given in ([a, b, c], [c, b, a], [b, c, a]):
        assert in_order(given, known) == [a, b, c]


def test_the_same_task_of_another_run_comes_first() -> None:
    """Who waits for its own yesterday does not wait for itself."""
    today, yesterday = waits("t", named("t", run="1"), run="2"), waits("t", run="1")
    found = in_order([today.execution, yesterday.execution], [today, yesterday])
    assert found == [yesterday.execution, today.execution]


def test_who_is_not_known_and_who_waits_for_each_other_keep_their_places() -> None:
    """The scheduler decides on them; nobody is left out."""
    ring = [waits("a", named("b")), waits("b", named("a"))]
    ids = [one.execution for one in ring]
    assert in_order(ids, ring) == ids
    assert in_order([named("x"), named("y")], []) == [named("x"), named("y")]
