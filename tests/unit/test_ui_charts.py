"""What the charts show."""

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

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
    before, waited, runs, failed = charts.gantt(attempts, NOW + timedelta(seconds=10), "light")["series"]
    assert before["data"] == [0, 5]
    assert waited["data"] == [1, 1.5]
    assert failed["data"] == [2, 0]
    assert runs["data"] == [0, 3.5]


def test_the_legend_names_each_colour_of_the_attempts() -> None:
    """Runs have the colour of how they ended; the legend says so of each that is there, and of no other."""
    attempts = [_attempt(n, state, n, n, n + 1) for n, state in enumerate(("failed", "lost", "failed", "succeeded"))]
    spec = charts.gantt(attempts, NOW, "light")
    named = {series["name"]: series["color"] for series in spec["series"][2:]}
    assert spec["legend"]["data"] == ["waited for a worker", *named]
    words = {"ran, succeeded": "succeeded", "ran, failed": "failed", "may have run until found lost": "lost"}
    assert named == {word: states.LOOKS[state].light for word, state in words.items()}


def test_what_was_lost_is_hatched_and_has_no_duration() -> None:
    """Its bar looks like no other's, and no tooltip calls its length a time that it ran."""
    attempts = [_attempt(1, "lost", 0, 1, 3), _attempt(2, "succeeded", 3, 4, 5)]
    _, _, succeeded, lost = charts.gantt(attempts, NOW, "light")["series"]
    assert (lost["data"], lost["tooltip"]) == ([2, 0], {"show": False})
    assert ("decal" in lost["itemStyle"], "itemStyle" in succeeded) == (True, False)


def test_an_attempt_that_has_not_started_only_waits() -> None:
    """A dispatched attempt has no run yet, and its wait grows."""
    spec = charts.gantt([_attempt(1, "dispatched", 0, None, None)], NOW + timedelta(seconds=4), "dark")
    _, waited = spec["series"]
    assert waited["data"] == [4]


def test_gaps_stay_gaps() -> None:
    """A step in which nothing happened is empty, not left out, and has no quantiles."""
    minutes = [
        MinuteView(minute=NOW, succeeded=3, waited_p50_ms=10, waited_p99_ms=90),
        MinuteView(minute=NOW + timedelta(minutes=1), succeeded=4, waited_p50_ms=30, waited_p99_ms=50),
    ]
    steps = charts.buckets(minutes, NOW - timedelta(minutes=5), NOW + timedelta(minutes=9), timedelta(minutes=5))
    assert [s.succeeded for s in steps] == [0, 7, 0]
    assert [(s.waited_p50_ms, s.waited_p99_ms) for s in steps] == [(None, None), (20, 90), (None, None)]


def test_the_day_stands_on_the_axis_only_where_there_are_two() -> None:
    """An hour of one day has times alone below it."""
    hours = [MinuteView(minute=NOW + timedelta(hours=6 * n)) for n in range(3)]
    one, two = (charts.throughput(shown, "light", UTC)["dataset"]["source"]["minute"] for shown in (hours[:2], hours))
    assert list(one) == ["12:00", "18:00"]
    assert list(two) == ["23 Nov\n12:00", "23 Nov\n18:00", "24 Nov\n00:00"]


def test_the_scale_of_times_has_the_unit_of_their_size() -> None:
    """Waits of minutes are minutes, not hundreds of seconds."""
    spec = charts.latency([MinuteView(minute=NOW, waited_p50_ms=90_000, waited_p99_ms=390_000)], "light", UTC)
    assert spec["yAxis"]["axisLabel"]["formatter"] == "{value} min"
    assert list(spec["dataset"]["source"]["waited p99"]) == [6.5]


# What is left of red, green, blue for those who lack one cone: Machado, Oliveira, Fernandes 2009, severity 1.
EYES = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def _linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def _lab(colour: str, eye: str) -> list[float]:
    """The colour as that eye sees it, in Oklab (B. Ottosson, 2020), where distances are as people see them."""
    red, green, blue = (sum(m * c for m, c in zip(row, _linear(colour), strict=True)) for row in EYES[eye])
    cones = (
        0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue,
        0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue,
        0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue,
    )
    long, middle, short = (math.cbrt(c) for c in cones)
    return [
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    ]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_are_told_apart_by_their_colours(theme: str, eye: str) -> None:
    """The four lines differ for every eye: the least step between two is several times one that is just seen (0.02)."""
    colours = [getattr(line, theme) for line in charts.LINES.values()]
    for one, other in combinations(colours, 2):
        assert math.dist(_lab(one, eye), _lab(other, eye)) > 0.1


def test_p99_differs_from_p50_without_colour() -> None:
    """Dashes and another mark, for paper and for eyes that see no colours."""
    for what in ("waited", "ran"):
        half, worst = charts.LINES[f"{what} p50"], charts.LINES[f"{what} p99"]
        assert half.dash != worst.dash
        assert half.symbol != worst.symbol
