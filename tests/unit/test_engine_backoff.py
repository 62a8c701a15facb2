"""How long a failed attempt waits."""

import pytest

from streams.engine.backoff import retry_delay
from streams.engine.records import RetryPolicy

IDS = [n.to_bytes(16, "big") for n in range(200)]


def test_delays_grow_by_the_factor_up_to_the_limit() -> None:
    """Without jitter the delays are the plain series, cut at max_delay."""
    policy = RetryPolicy(limit=9, delay=100, factor=3.0, max_delay=5_000, jitter=0.0)
    assert [retry_delay(policy, IDS[0], n) for n in range(1, 7)] == [100, 300, 900, 2_700, 5_000, 5_000]


@pytest.mark.parametrize("jitter", [0.1, 0.5, 1.0])
def test_jitter_stays_within_its_share(jitter: float) -> None:
    """No delay is shortened or lengthened by more than its share, and they do spread."""
    delays = [retry_delay(RetryPolicy(delay=1_000, jitter=jitter), which, 1) for which in IDS]
    assert all(1_000 * (1 - jitter) <= d <= 1_000 * (1 + jitter) for d in delays)
    assert max(delays) - min(delays) > 1_000 * jitter


def test_the_same_execution_always_waits_the_same_time() -> None:
    """A replayed log decides the same; another failure of it waits another time."""
    policy = RetryPolicy(delay=1_000, factor=1.0, jitter=0.5)
    assert retry_delay(policy, IDS[0], 1) == retry_delay(policy, IDS[0], 1)
    assert len({retry_delay(policy, IDS[0], n) for n in range(1, 6)}) > 1


def test_many_failures_do_not_overflow() -> None:
    """The thousandth failure of a steep policy waits for max_delay, as the tenth does."""
    policy = RetryPolicy(limit=1000, delay=1, factor=100.0, max_delay=60_000, jitter=0.0)
    assert retry_delay(policy, IDS[0], 1000) == 60_000
