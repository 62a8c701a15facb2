"""The bench's pauses between two looks at the history."""

import time
from types import SimpleNamespace
from typing import Any, cast

from streams.bench.measure import GLANCE, Pools

NOBODY = SimpleNamespace(waiting=(5_000,), workers=())


def pools(waiting: int, held: int) -> list[SimpleNamespace]:
    """One with a worker, and one with a line that nobody works at."""
    return [NOBODY, SimpleNamespace(waiting=(waiting,), workers=(SimpleNamespace(held=held),))]


def seconds(rests: Pools, of: float) -> float:
    """How long a pause really is."""
    begun = time.monotonic()
    rests.rest(of)
    return time.monotonic() - begun


def test_one_pause_ends_when_workers_have_nothing_more_to_do() -> None:
    """The next one is whole again: the history may be behind, and is not to be asked without end."""
    said = iter([pools(0, 0), pools(7, 0), pools(0, 7), pools(0, 0), *[pools(0, 0)] * 100])
    rests = Pools(cast("Any", SimpleNamespace(pools=lambda: next(said))))
    whole = 8 * GLANCE
    assert seconds(rests, whole) < whole
    assert seconds(rests, whole) >= whole
