"""What history's columns hold. ClickHouse takes a number that is too large or below zero, and wraps it around."""

from operator import attrgetter, le

import msgspec
from msgspec import Struct

from streams.engine.events import Moved, RecordedEvent, TaskCreated
from streams.engine.records import LATEST, MOST_CRITICAL

COUNT, SPAN = 2**32 - 1, 2**64 - 1
"""The largest number in a column of 32 bits, and milliseconds in one of 64."""


class Bounds:
    """The numbers of a struct: each is 0 or more, and at most what its column holds."""

    def __init__(self, **tops: int) -> None:
        self._names, self._tops = tuple(tops), tuple(tops.values())
        self._values = attrgetter(*tops)

    def check(self, struct: Struct) -> None:
        """Raises msgspec's ValidationError, which names what does not fit."""
        values = self._values(struct)
        if min(values) >= 0 and all(map(le, values, self._tops)):
            return
        for name, value, top in zip(self._names, values, self._tops, strict=True):
            if not 0 <= value <= top:
                raise msgspec.ValidationError(f"{name} {value} does not fit: 0 to {top} do")


_SPANS = dict.fromkeys(("timeout", "execution_timeout", "max_latency"), SPAN)
_COUNTS = dict.fromkeys(("version", "attempt", "failures", "losses", "again"), COUNT)
_TIMES = dict.fromkeys(
    ("created_at", "due_at", "ready_at", "dispatched_at", "started_at", "finished_at", "retry_at"), LATEST
)
EXECUTION = Bounds(**_COUNTS, **_TIMES, **_SPANS, priority=MOST_CRITICAL)
TASK = Bounds(**_SPANS, priority=MOST_CRITICAL)
LINE = Bounds(attempt=COUNT, seq=SPAN, at=LATEST)


def check_event(event: RecordedEvent) -> None:
    """Refuse an event with a number that no column holds. Raises msgspec's ValidationError."""
    if not 0 <= event.at <= LATEST:
        raise msgspec.ValidationError(f"at {event.at} does not fit: 0 to {LATEST} do")
    if isinstance(event, Moved):
        EXECUTION.check(event.execution)
    elif isinstance(event, TaskCreated):
        TASK.check(event.task)
