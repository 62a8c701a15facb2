"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta

from ui.cli.exits import UsageError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta:
    """A duration: `90`, `90s`, `15m`, `1h`, `7d`, `2w`. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if found is None:
        raise UsageError(f"{text[:40]!r} is no duration; write 30s, 15m, 1h or 7d")
    return timedelta(**{UNITS[found[2] or "s"]: float(found[1])})


def moment(text: str, now: datetime, *, ago: bool) -> datetime:
    """A time in ISO 8601 (without a zone: this machine's), or a duration `ago` or from now. Raises UsageError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return now - _span(text) if ago else now + _span(text.removeprefix("+"))
    return at.astimezone()


def _span(text: str) -> timedelta:
    try:
        return span(text)
    except UsageError:
        example = "2026-05-04T12:00 (ISO 8601)"
        raise UsageError(
            f"{text[:40]!r} is no time; write {example}, or a duration such as 30s, 15m, 1h or 7d"
        ) from None


def since(text: str | None) -> datetime | None:
    """`--since` and `--until`."""
    return moment(text, datetime.now(UTC), ago=True) if text else None


def due(text: str | None) -> datetime | None:
    """`--at`."""
    return moment(text, datetime.now(UTC), ago=False) if text else None
