"""When RECORD writes what it gathers, by a clock that only the feed moves."""

import asyncio
from types import SimpleNamespace

import pytest

from sinks.record import recorder
from sinks.record.recorder import MUCH, OVER_SECONDS, Recorder
from streams.settings import Settings

LOOK = 0.05
"""Seconds that one look takes."""


class Feed:
    """Has a message of so many bytes at once, another one after each of these moments, and then nothing."""

    def __init__(self, size: int, moments: list[float]) -> None:
        self.size, self.moments = size, moments
        self.now = 0.0

    async def look(self, _wait_ms: int) -> list[SimpleNamespace]:
        """What is there at once."""
        return [SimpleNamespace(timestamp=0, value=b"x" * self.size)]

    async def more(self, messages: list[SimpleNamespace], until: float) -> bool:
        """What comes while it looks."""
        self.now += LOOK
        if self.moments and self.now >= self.moments[0]:
            del self.moments[0]
            messages += await self.look(0)
        return self.now < until


@pytest.mark.parametrize(
    ("size", "moments", "written_at"),
    [(MUCH + 1, [], OVER_SECONDS), (MUCH // 4, [], 60.0), (MUCH // 2 + 1, [0.1, 0.2, 0.3], 0.3 + OVER_SECONDS)],
)
def test_a_burst_is_written_when_it_is_over(
    size: int, moments: list[float], written_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much waits for no more when nothing comes any more; little waits for its time."""
    feed = Feed(size, moments)
    monkeypatch.setattr(recorder, "time", SimpleNamespace(monotonic=lambda: feed.now, time=lambda: 1.0))
    asyncio.run(Recorder(Settings())._batch(feed, 60.0))  # type: ignore[arg-type]  # all that it uses of one
    assert feed.now == pytest.approx(written_at, abs=2 * LOOK)
