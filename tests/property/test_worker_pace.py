"""What a worker hands back when its tasks became slower than they were."""

from hypothesis import given
from hypothesis import strategies as st

from streams.worker.pace import MOST, SURPLUS, Pace, surplus

WINDOW = 0.02


@given(
    slots=st.integers(1, 64),
    burst=st.integers(0, 1_000),
    seconds=st.floats(0.001, 3_600),
    held=st.integers(0, MOST),
    turnaround=st.floats(0, 0.25),
)
def test_after_a_burst_of_short_tasks_nothing_waits_for_long(
    slots: int, burst: int, seconds: float, held: int, turnaround: float
) -> None:
    """Once the pace of the slow ones is known, what is left in line starts within a few windows; quick ones stay."""
    pace = Pace(slots, WINDOW)
    for _ in range(burst):
        pace.ran(b"noop", 0.00001)
    assert not burst or surplus(min(held, slots + pace.ahead(turnaround)), slots, pace.ahead(turnaround)) == 0
    for _ in range(500):
        pace.ran(b"slow", seconds)
    left = held - surplus(held, slots, pace.ahead(turnaround))
    assert max(left - slots, 0) * seconds / slots <= SURPLUS * (WINDOW + turnaround) * 1.01
