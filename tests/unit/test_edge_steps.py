from datetime import timedelta

import pytest

from streams.edge.steps import MOST, step_of
from ui.parts.header import RANGES


@pytest.mark.parametrize(("span", "minutes"), [("1h", 1), ("6h", 5), ("24h", 15), ("7d", 120)])
def test_ranges_have_round_steps(span: str, minutes: int) -> None:
    """A range begins with a full minute, so it is up to a minute longer than its name."""
    for more in (timedelta(0), timedelta(seconds=59.9)):
        assert step_of(RANGES[span] + more) == timedelta(minutes=minutes)


@pytest.mark.parametrize("days", [0, 30, 100, 121, 3650])
def test_no_history_has_too_many_steps(days: int) -> None:
    """However long it is; steps are whole days at last, and never nothing."""
    step = step_of(timedelta(days=days))
    assert timedelta(days=days) / MOST <= step
    assert step >= timedelta(minutes=1)


def test_a_moment_to_come_has_a_step_too() -> None:
    """Who asks for what has not begun gets an empty history."""
    assert step_of(timedelta(days=-1)) == timedelta(minutes=1)
