"""How numbers, durations, times and ids look. A missing value is `-`, never 0 or None."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from pipelines import durations
from pipelines.events import EXECUTION_NAME
from pipelines.model import Delivery
from pipelines.views import StateName

MISSING = "-"
_MINUTE = 60
_EXACT_BELOW = 10_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def count(value: int | None) -> str:
    """A count as people read it: `812`, `1,240`, `12.4k`, `3.1M`."""
    if value is None:
        return MISSING
    if abs(value) < _EXACT_BELOW:
        return f"{value:,}"
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M")):
        if abs(value) >= size * 0.99995:
            return f"{value / size:.1f}{unit}"
    return f"{value / 1000:.1f}k"


def number_of(value: int, thing: str) -> str:
    """So many of a thing: `1 row`, `1,240 rows`."""
    return f"{value:,} {thing}" if value == 1 else f"{value:,} {thing}s"


def duration(ms: float | None) -> str:
    """Milliseconds as `840 ms`, `4.2 s`, `3m 12s`, `2h 05m` or `3d 04h`."""
    return MISSING if ms is None else durations.duration(ms)


def span(width: timedelta) -> str:
    """A step of time in words, after "per": `minute`, `15 minutes`, `2 hours`."""
    minutes = round(width.total_seconds() / _MINUTE)
    number, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return unit if number == 1 else f"{number} {unit}s"


def wait(waited_ms: int | None, max_latency_ms: int | None) -> str:
    """How long something waited, against what its owner accepts: `4.2 s of 10 s`."""
    if waited_ms is None or max_latency_ms is None:
        return duration(waited_ms)
    return f"{duration(waited_ms)} of {chosen(max_latency_ms)}"


def chosen(ms: float) -> str:
    """A duration that somebody chose: `10 s`, `10m`, `2h`, without the zeros that a measurement has."""
    return duration(ms).replace(".0 s", " s").replace("m 00s", "m").replace("h 00m", "h").replace("d 00h", "d")


def moment(at: datetime | None, now: datetime, zone: tzinfo = UTC) -> str:
    """A time in `zone`: today `12:04:31`, else `21 Nov 12:04`, in another year `21 Nov 2025 12:04`."""
    if at is None:
        return MISSING
    there, today = at.astimezone(zone), now.astimezone(zone)
    if there.date() == today.date():
        return f"{there:%H:%M:%S}"
    if there.year == today.year:
        return f"{there.day} {there:%b %H:%M}"
    return f"{there.day} {there:%b %Y %H:%M}"


def exact(at: datetime | None, zone: tzinfo = UTC) -> str:
    """A time as ISO 8601 with its offset, for tooltips."""
    return MISSING if at is None else at.astimezone(zone).isoformat(timespec="milliseconds")


def ended(state: StateName) -> str:
    """What the end of an execution in this state is called: when a lost one ended nobody knows."""
    return "found lost" if state == "lost" else "ended"


def delivery(value: Delivery) -> str:
    """What is special about a delivery: `at_most_once: never started twice`; of the usual one nothing."""
    return f"{value}: never started twice" if value is Delivery.AT_MOST_ONCE else ""


def short_id(execution: str) -> str:
    """The last group of an execution's id.

    Its last four digits say where the execution lives and are the same all over a pipeline, so the group
    is shown whole: eight digits that tell executions apart, and those four.
    """
    return execution[-12:]


def may_be_id(name: str) -> bool:
    """Whether an execution could have this id, or one that ends so."""
    return EXECUTION_NAME.fullmatch(name.strip().lower()) is not None


def run(name: str) -> str:
    """A run's name; of a UUID, which a run has that nobody named, only the group that tells it from others."""
    return name.rpartition("-")[2] if _UUID.fullmatch(name) else text(name)


def priority(value: int) -> str:
    """A priority as `P9` .. `P0`."""
    return f"P{value}"


def text(value: str | None) -> str:
    """A text that may be missing."""
    return value or MISSING


def first_line(value: str | None, room: int) -> str:
    """The first line of a text that may be missing; `…` says that there is more."""
    whole = (value or "").strip()
    line = whole.partition("\n")[0][:room].rstrip()
    return text(line) if line == whole else f"{line}…"


def plain(value: str) -> str:
    """Anybody's text for a place that reads Markdown: a code span, in which nothing is interpreted."""
    line = " ".join(value.split())
    longest = max((len(run) for run in _runs_of_backticks(line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line or MISSING}`"


def _runs_of_backticks(line: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in line).split() if run]
