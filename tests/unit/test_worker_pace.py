import pytest

from streams.worker.pace import MOST, Pace, Turnaround


@pytest.mark.parametrize(("seconds", "ahead"), [(1.0, 0), (0.016, 10), (0.001, 160), (1e-6, MOST)])
def test_the_look_ahead_is_what_will_start_within_the_window(seconds: float, ahead: int) -> None:
    """None for tasks of a second, hundreds for tasks of a millisecond, never more than the most."""
    pace = Pace(slots=8, window=0.02 if seconds > 1e-5 else 1.0)
    pace.ran(b"t", seconds)
    assert pace.ahead() == ahead


def test_nothing_is_held_ahead_before_anything_was_measured() -> None:
    """Nor when the window is 0: strict order."""
    assert Pace(8, 0.02).ahead() == 0
    strict = Pace(8, 0.0)
    strict.ran(b"t", 0.001)
    assert strict.ahead() == 0


@pytest.mark.parametrize(("seconds", "silence"), [(0.001, 0.05), (0.1, 0.2)])
def test_how_long_nothing_may_end_follows_from_how_long_tasks_take(seconds: float, silence: float) -> None:
    """Else a worker would give back and be given the same few jobs again and again."""
    pace = Pace(8, 0.02)
    assert pace.silence() == 0.05
    pace.ran(b"t", seconds)
    assert pace.silence() == silence


def test_run_times_are_learned_for_each_function() -> None:
    """A moving average, forgotten where there are too many."""
    pace = Pace(1, 1.0)
    for _ in range(200):
        pace.ran(b"quick", 0.001)
        pace.ran(b"slow", 1.0)
    assert pace.expected(b"quick") == pytest.approx(0.001)
    assert pace.expected(b"slow") == pytest.approx(1.0)
    assert pace.expected(b"other") is None
    for n in range(10_001):
        pace.ran(b"t%d" % n, 1.0)
    assert pace.expected(b"quick") is None


def test_the_turnaround_of_credits_is_promised_beforehand() -> None:
    """A job that takes long to come back widens the window, step by step; a quick one narrows it at once."""
    turnaround = Turnaround()
    for told in range(20):
        turnaround.told(told, told + 1, 10.0 * told)
        turnaround.arrived(told, 10.0 * told + 0.05)  # allowed by an earlier limit
        turnaround.arrived(told + 1, 10.0 * told + 0.1)
    assert turnaround.seconds == pytest.approx(0.1)
    turnaround.told(20, 21, 300.0)
    turnaround.arrived(21, 300.01)
    assert turnaround.seconds == pytest.approx(0.01)
    turnaround.told(21, 22, 400.0)
    turnaround.arrived(22, 499.0)
    assert turnaround.seconds < 0.02
    pace = Pace(slots=2, window=0.01)
    pace.ran(b"t", 0.001)
    assert (pace.ahead(), pace.ahead(0.04)) == (20, 100)
