"""What the charts show."""

from datetime import UTC, datetime, timedelta

from pipelines.views import AttemptView, MinuteView
from ui.parts import charts, states

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _attempt(number: int, state: str, ready: float, started: float | None, finished: float | None) -> AttemptView:
    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else NOW + timedelta(seconds=seconds)

    return AttemptView.model_validate(
        {
            "attempt": number,
            "state": state,
            "ready_at": at(ready),
            "started_at": at(started),
            "finished_at": at(finished),
        }
    )


def test_a_wait_stands_apart_from_its_run() -> None:
    """Each attempt has three parts: the time before, its wait, its run; the last one runs until now."""
    attempts = [_attempt(1, "failed", 0, 1, 3), _attempt(2, "running", 5, 6.5, None)]
    before, waited, ran = charts.gantt(attempts, NOW + timedelta(seconds=10), "light")["series"]
    assert before["data"] == [0, 5]
    assert waited["data"] == [1, 1.5]
    assert [bar["value"] for bar in ran["data"]] == [2, 3.5]
    assert ran["data"][0]["itemStyle"]["color"] == states.LOOKS["failed"].light


def test_an_attempt_that_has_not_started_only_waits() -> None:
    """A dispatched attempt has no run yet, and its wait grows."""
    _, waited, ran = charts.gantt([_attempt(1, "dispatched", 0, None, None)], NOW + timedelta(seconds=4), "dark")[
        "series"
    ]
    assert waited["data"] == [4]
    assert ran["data"][0]["value"] == 0


def test_gaps_stay_gaps() -> None:
    """A step in which nothing happened is empty, not left out, and has no quantiles."""
    minutes = [
        MinuteView(minute=NOW, succeeded=3, waited_p50_ms=10, waited_p99_ms=90),
        MinuteView(minute=NOW + timedelta(minutes=1), succeeded=4, waited_p50_ms=30, waited_p99_ms=50),
    ]
    steps = charts.buckets(minutes, NOW - timedelta(minutes=5), NOW + timedelta(minutes=9), timedelta(minutes=5))
    assert [s.succeeded for s in steps] == [0, 7, 0]
    assert [(s.waited_p50_ms, s.waited_p99_ms) for s in steps] == [(None, None), (20, 90), (None, None)]
