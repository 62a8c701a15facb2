from datetime import UTC, datetime, timedelta

import pytest

from ui.cli.exits import Exit, UsageError, stop
from ui.cli.looks import safe
from ui.cli.times import moment, span

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """A number and a unit; seconds where there is none."""
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "yesterday", "1y", "-1h", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error names the text and shows what would be right."""
    with pytest.raises(UsageError, match="write 30s, 15m, 1h or 7d"):
        span(text)


def test_moments_are_absolute_or_relative() -> None:
    """ISO 8601, or a duration ago or from now."""
    assert moment("1h", NOW, ago=True) == NOW - timedelta(hours=1)
    assert moment("+15m", NOW, ago=False) == NOW + timedelta(minutes=15)
    assert moment("2026-01-02T03:04:05Z", NOW, ago=True) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert moment("2026-01-02 03:04", NOW, ago=True).tzinfo is not None


def test_what_is_no_moment_is_told_both_ways() -> None:
    """The error shows a time and a duration: both would be right."""
    with pytest.raises(UsageError, match=r"'yesterday' is no time; write 2026-.* or a duration such as 30s"):
        moment("yesterday", NOW, ago=True)


def test_texts_of_others_cannot_play_with_the_terminal() -> None:
    """Escapes, bells and markup are shown, never obeyed; new lines and tabs stay."""
    assert safe("a\x1b[31m\x07[bold]\u202eb\n\tc").plain == "a\ufffd[31m\ufffd[bold]\ufffdb\n\tc"
    assert safe(None).plain == "-"


def test_a_reason_of_others_cannot_either(capsys: pytest.CaptureFixture[str]) -> None:
    """What the API, or whoever answers in its place, says against a request is shown the same way."""
    with pytest.raises(SystemExit) as ended:
        stop("no \x1b[31mluck", Exit.NOT_FOUND)
    assert ended.value.code == 3
    assert capsys.readouterr().err == "headrace: no \ufffd[31mluck\n"
