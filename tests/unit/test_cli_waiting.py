"""What `--wait` says first of an execution that has ended."""

from datetime import UTC, datetime, timedelta

import pytest
from showroom.world import World

from pipelines.views import AttemptView
from ui.cli.waiting import headline

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tries", "words"),
    [(1, "failed in 65 ms"), (3, "failed after 3 attempts, 4.1 s")],
)
def test_of_several_attempts_the_whole_is_told(tries: int, words: str) -> None:
    """Not the last one alone: how many there were, and the time from the first one's start to the end."""
    starts = [NOW + timedelta(seconds=2 * number) for number in range(tries)]
    attempts = [AttemptView(attempt=n, state="failed", started_at=start) for n, start in enumerate(starts, 1)]
    end = starts[-1] + timedelta(seconds=0.065)
    world = World()
    name = world.add("a", "failed", attempt=tries, attempts=attempts, finished_at=end, ran_ms=65)
    assert words in headline(world.rows[name]).plain


def test_what_was_lost_has_no_duration() -> None:
    """When it ended nobody knows, be it the first attempt or a later one."""
    world = World()
    attempts = [AttemptView(attempt=2, state="lost", started_at=NOW)]
    name = world.add("a", "lost", attempt=2, attempts=attempts, finished_at=NOW + timedelta(minutes=1))
    assert headline(world.rows[name]).plain == f"? lost  {name}"
