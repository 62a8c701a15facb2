"""What a filter of the dashboard is in SQL: conditions, order and the place where a page begins."""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pipelines.requests import ExecutionFilter, Order

Condition = tuple[str, dict[str, Any]]

_ANY_OF = {"state": "String", "priority": "UInt8", "kind": "String", "pool": "String", "queue": "String"}
_EXACTLY = ("task", "pipeline", "run", "owner", "worker")

_WAITED = (
    "multiIf(waited_ms IS NOT NULL, toInt64(waited_ms), state IN ('waiting', 'dispatched'), "
    "dateDiff('millisecond', ready_at, {now:DateTime64(3, 'UTC')}), 0)"
)
_KEYS: dict[Order, tuple[str, ...]] = {
    "newest": ("-toUnixTimestamp64Milli(created_at)",),
    "oldest": ("toUnixTimestamp64Milli(created_at)",),
    "changed": ("-toUnixTimestamp64Milli(updated_at)",),
    "priority": ("-toInt64(priority)", "toUnixTimestamp64Milli(created_at)"),
    "waited": (f"-ifNull({_WAITED}, 0)",),
}

_TIES = {"task": "String", "execution": "UUID"}
"""What decides where the order leaves it open, and its type in ClickHouse; the last one is unique."""


class BadCursorError(ValueError):
    """This is no cursor of ours: leave it away to begin anew."""


def condition(wanted: ExecutionFilter) -> Condition:
    """The condition that the rows of the view `executions` must meet, and its parameters."""
    found = list(_conditions(wanted))
    clause = " AND ".join(f"({sql})" for sql, _ in found) or "true"
    return clause, {name: value for _, parameters in found for name, value in parameters.items()}


def _conditions(wanted: ExecutionFilter) -> Iterator[Condition]:
    for name, kind in _ANY_OF.items():
        if values := getattr(wanted, name):
            yield f"{name} IN {{{name}:Array({kind})}}", {name: list(values)}
    for name in _EXACTLY:
        if (value := getattr(wanted, name)) is not None:
            yield f"{name} = {{{name}:String}}", {name: value}
    if wanted.late is not None:
        yield "late = {late:Bool}", {"late": wanted.late}
    if wanted.since is not None:
        yield "updated_at >= {since:DateTime64(3, 'UTC')}", {"since": wanted.since}
    if wanted.until is not None:
        yield "updated_at < {until:DateTime64(3, 'UTC')}", {"until": wanted.until}
    if wanted.text:
        columns = ("task", "run", "toString(execution)")
        tests = " OR ".join(f"positionCaseInsensitiveUTF8({c}, {{text:String}}) > 0" for c in columns)
        yield tests, {"text": wanted.text}


class Cursor:
    """A place in an order, as text: behind it the next page begins. `now` is the moment at which waits are compared."""

    def __init__(self, order: Order, text: str | None) -> None:
        self._order = order
        self._after: list[Any] | None = None
        self._now = datetime.now(UTC)
        if text is not None:
            then, seconds, place = _read(text)
            if then != order or len(place) != len(self.keys):
                raise BadCursorError(f"this cursor belongs to the order {then!r}, not to {order!r}")
            self._after, self._now = place, datetime.fromtimestamp(seconds, UTC)

    @property
    def keys(self) -> tuple[str, ...]:
        """Expressions by which rows are ordered, ascending: those of one run that came at once are in it by name."""
        return (*_KEYS[self._order], *_TIES)

    def condition(self) -> Condition:
        """What rows behind it meet."""
        if self._after is None:
            return "true", {"now": self._now}
        places = [f"{{after_{i}:{_TIES.get(key, 'Int64')}}}" for i, key in enumerate(self.keys)]
        values = {f"after_{i}": value for i, value in enumerate(self._after)}
        return f"({', '.join(self.keys)}) > ({', '.join(places)})", {**values, "now": self._now}

    def behind(self, keys: tuple[Any, ...]) -> str:
        """The text of the place of a row, given what its keys are."""
        place = [self._order, self._now.timestamp(), *(str(k) if isinstance(k, UUID) else k for k in keys)]
        return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _read(text: str) -> tuple[str, float, list[Any]]:
    """Order, moment and keys of a cursor."""
    try:
        order, seconds, *keys, task, execution = msgspec.json.decode(base64.urlsafe_b64decode(text))
        datetime.fromtimestamp(seconds, UTC)
        return str(order), seconds, [*map(int, keys), str(task), str(UUID(str(execution)))]
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError, ArithmeticError, OSError) as error:
        raise BadCursorError(f"{text[:80]!r} is no cursor: leave it away to begin anew") from error
