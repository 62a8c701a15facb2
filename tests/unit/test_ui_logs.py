"""What stands where a log is empty."""

from datetime import UTC, datetime, timedelta

import pytest
from showroom.world import World

from pipelines.views import StateName
from ui.parts.logs import silence

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "attempt", "ended_before", "said"),
    [
        ("waiting", 0, None, "It has not started yet."),
        ("running", 1, None, "No output yet."),
        ("retrying", 2, None, "No output yet."),
        ("succeeded", 1, 1, "No output so far; the last lines may still be on their way."),
        ("succeeded", 1, 60, "It printed nothing."),
        ("failed", 3, 60, "It printed nothing."),
        ("skipped", 0, 60, "It never started, so it printed nothing."),
    ],
)
def test_silence_has_a_reason(state: StateName, attempt: int, ended_before: int | None, said: str) -> None:
    """Nothing is expected any more of what has ended, and nothing yet of what has not started."""
    world = World()
    ended = None if ended_before is None else NOW - timedelta(seconds=ended_before)
    name = world.add("a", state, attempt=attempt, finished_at=ended)
    assert silence(world.rows[name], NOW) == said
