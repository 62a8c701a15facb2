"""How numbers, durations, times and ids look."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipelines.ids import execution_id, to_text
from ui.parts import formats

NOW = datetime(2026, 11, 23, 12, 4, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"), (0, "0"), (812, "812"), (1240, "1,240"), (9999, "9,999"), (12_400, "12.4k"), (999_949, "999.9k"),
        (999_950, "1.0M"), (3_100_000, "3.1M"), (2_000_000_000, "2.0G"),
    ],
)  # fmt: skip
def test_counts_are_short_and_never_invented(value: int | None, shown: str) -> None:
    """A count has at most four digits and a unit; a missing one is a dash."""
    assert formats.count(value) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "-"), (0, "0 ms"), (840, "840 ms"), (999.6, "1.0 s"), (4200, "4.2 s"), (59_949, "59.9 s"),
        (59_950, "1m 00s"), (192_000, "3m 12s"), (3_599_700, "1h 00m"), (7_500_000, "2h 05m"), (273_600_000, "3d 04h"),
    ],
)  # fmt: skip
def test_durations_have_two_parts_at_most(ms: float | None, shown: str) -> None:
    """A duration's unit follows its size, and rounding never shows 60 seconds or 1000 milliseconds."""
    assert formats.duration(ms) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), ("short", "short"), ("\none\ntwo", "one…"), ("much too long", "much too…")]
)
def test_a_first_line_says_where_there_is_more(value: str | None, shown: str) -> None:
    """More lines, or more than there is room for, are an ellipsis."""
    assert formats.first_line(value, 8) == shown


@pytest.mark.parametrize(
    ("waited", "limit", "shown"),
    [
        (4200, 10_000, "4.2 s of 10 s"),
        (4200, None, "4.2 s"),
        (None, 10_000, "-"),
        (840, 600_000, "840 ms of 10m"),
        (840, 1500, "840 ms of 1.5 s"),
    ],
)
def test_a_wait_stands_against_what_is_accepted(waited: int | None, limit: int | None, shown: str) -> None:
    """The limit is named beside the wait where there is one."""
    assert formats.wait(waited, limit) == shown


def test_times_of_today_are_short() -> None:
    """A time of today is the time alone; others carry the day, and other years the year."""
    assert formats.moment(NOW, NOW) == "12:04:31"
    assert formats.moment(NOW - timedelta(days=2), NOW) == "21 Nov 12:04"
    assert formats.moment(NOW - timedelta(days=365), NOW) == "23 Nov 2025 12:04"
    assert formats.moment(None, NOW) == "-"


def test_today_is_the_readers_day() -> None:
    """What counts as today depends on the zone that the reader sees."""
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert formats.moment(late, NOW) == "22 Nov 23:30"
    assert formats.moment(late, NOW, ZoneInfo("Europe/Berlin")) == "00:30:00"


def test_exact_times_name_their_offset() -> None:
    """The tooltip leaves no doubt about the zone."""
    assert formats.exact(NOW, ZoneInfo("Europe/Berlin")) == "2026-11-23T13:04:31.000+01:00"


def test_short_ids_tell_executions_of_one_pipeline_apart() -> None:
    """The short form differs for executions that live on the same place."""
    ids = {formats.short_id(to_text(execution_id("sales.load", f"run-{n}"))) for n in range(1000)}
    assert len(ids) == 1000


@pytest.mark.parametrize(
    "hostile", ["**bold**", ":red[x]", "![i](http://x/y.png)", "`a` b", "``", "", "<b>x</b>", "a\nb"]
)
def test_anybodys_text_becomes_one_code_span(hostile: str) -> None:
    """In Markdown a text of others is a code span, whose fence no backtick in it can close."""
    shown = formats.plain(hostile)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    assert fence
    assert shown.endswith(fence)
    assert fence not in shown[len(fence) : -len(fence)]
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (timedelta(minutes=1), "minute"),
        (timedelta(minutes=15), "15 minutes"),
        (timedelta(hours=1), "hour"),
        (timedelta(hours=2), "2 hours"),
    ],
)
def test_steps_of_time_read_as_words(width: timedelta, words: str) -> None:
    """A chart's step stands in its title."""
    assert formats.span(width) == words


@pytest.mark.parametrize(("value", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1240, "1,240 rows")])
def test_one_thing_is_not_many(value: int, text: str) -> None:
    """Only one is singular."""
    assert formats.number_of(value, "row") == text


def test_a_run_that_nobody_named_is_short() -> None:
    """Of a UUID the group that differs; a name that somebody gave stays whole."""
    assert formats.run("019ae2f3-8674-7cc1-9e77-80a1be931452") == "80a1be931452"
    assert formats.run("nightly-2026-11-23") == "nightly-2026-11-23"
    assert formats.run("") == "-"


@pytest.mark.parametrize(
    ("name", "may"),
    [("nosuch", False), ("1b0d6b2", False), ("1b0d6b21", True), (" 019AB0C4-0000-7000-8000-1B0D6B2186F1", True)],
)
def test_an_id_is_told_from_any_word(name: str, may: bool) -> None:  # noqa: FBT001  (a parameter of pytest)
    """Whole or by its end, of at least eight characters."""
    assert formats.may_be_id(name) is may
