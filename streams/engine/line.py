"""The line of a pool: ordered keys in the table, and only its head in memory.

A place in the line is (priority, deadline, ready_at, arrival, id), most critical first; it is the key itself, so a
repeated `Ready` meets its first one and a line of any length costs the memory of its head.
"""

import heapq
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Protocol

from streams.engine.commands import Ready, Withdraw
from streams.engine.records import MOST_CRITICAL, Execution

HEAD = 2_000
"""Places that are read from the table at once."""

HEAD_LIMIT = 8_000
"""Places kept in memory at the most."""


class Ordered(Protocol):
    """The part of a table that lines need: ordered keys that see their own uncommitted changes."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or none."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""

    def add(self, key: bytes, value: bytes) -> None:
        """Set a value whose key is surely new; taking it away before the next save leaves no trace."""

    def delete(self, key: bytes) -> None:
        """Take a key away."""

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs in order, `end` exclusive."""


Scan = Callable[[bytes, bytes, int], list[tuple[bytes, bytes]]]
"""See Ordered."""

_ORDER = Struct(">BQQQ")


def place_of(who: Ready | Withdraw) -> bytes:
    """The key of a place. Bytes: q, pool, 0, 9 - priority, deadline (8), ready_at (8), arrival (8), id (16)."""
    return line_start(who.pool) + order_of(who)


def order_of(who: Ready | Withdraw | Execution) -> bytes:
    """What orders those of one pool: the most critical first, then as it is due and as it came."""
    return _ORDER.pack(MOST_CRITICAL - who.priority, who.deadline, who.ready_at, who.arrival) + who.id


def line_start(pool: str) -> bytes:
    """Where a pool's line begins."""
    return b"q" + pool.encode() + b"\0"


def priority_of(place: bytes) -> int:
    """The priority in a key."""
    return MOST_CRITICAL - place[-41]


def ready_at_of(place: bytes) -> int:
    """The ready_at in a key, milliseconds."""
    return int.from_bytes(place[-32:-24], "big")


def oldest(scan: Scan, start: bytes, waiting: Iterable[int]) -> int:
    """When the one who waits longest came, judged by each priority's head; `waiting` says how many of each there are.

    Epoch milliseconds, of the line that begins at `start`; 0: nobody waits.
    """
    heads = []
    for priority in (p for p, n in enumerate(waiting) if n):
        first = start + bytes((MOST_CRITICAL - priority,))
        heads += scan(first, first + b"\xff" * 40, 1)
    return min((ready_at_of(key) for key, _ in heads), default=0)


class Line:
    """One pool's line over a table. All that stands before `horizon` is in memory, nothing else is."""

    def __init__(self, table: Ordered, pool: str) -> None:
        self._table = table
        self._start = line_start(pool)
        self._end = self._start[:-1] + b"\x01"
        self._counts_key = b"c" + pool.encode()
        self._horizon = self._start
        self._heap: list[bytes] = []
        self._near: dict[bytes, bytes] = {}
        self._counted = False
        stored = table.get(self._counts_key)
        self.waiting = [int.from_bytes(stored[i * 5 : i * 5 + 5], "big") for i in range(10)] if stored else [0] * 10

    def __len__(self) -> int:
        return sum(self.waiting)

    def add(self, place: bytes, attempt: int) -> None:
        """Let somebody stand in line; who stands there already keeps the place, with the newer attempt."""
        near = place < self._horizon
        known = self._near.get(place) if near else self._table.get(place)
        value = attempt.to_bytes(4, "big")
        if known is not None and known >= value:
            return
        if near:
            self._near[place] = value
        if known is not None:
            self._table.put(place, value)
            return
        self._table.add(place, value)
        self._count(place, 1)
        if near:
            heapq.heappush(self._heap, place)
            self._bound()

    def remove(self, place: bytes) -> None:
        """Let somebody leave the line; who does not stand there is no matter."""
        if self._near.pop(place, None) is None and (place < self._horizon or self._table.get(place) is None):
            return
        self._table.delete(place)
        self._count(place, -1)

    def pop(self) -> tuple[bytes, int] | None:
        """The id and the attempt of the first in line, who leaves it; none: nobody waits."""
        while True:
            while self._heap:
                place = heapq.heappop(self._heap)
                if (value := self._near.pop(place, None)) is not None:
                    self._table.delete(place)
                    self._count(place, -1)
                    return place[-16:], int.from_bytes(value, "big")
            if not self._refill():
                return None

    def save(self) -> None:
        """Write the counts where they have changed; called once for each commit."""
        if self._counted:
            self._counted = False
            self._table.put(self._counts_key, b"".join(n.to_bytes(5, "big") for n in self.waiting))

    def drop(self) -> None:
        """Nobody waits any more, and nothing is to be kept of it."""
        self._table.delete(self._counts_key)

    def oldest(self) -> int:
        """When the one who waits longest came, epoch milliseconds; 0: nobody waits."""
        return oldest(self._table.scan, self._start, self.waiting)

    def _count(self, place: bytes, change: int) -> None:
        self.waiting[priority_of(place)] += change
        self._counted = True

    def _refill(self) -> bool:
        """Read the next places; false where there are none, and the whole line is known to be empty."""
        if self._horizon >= self._end:
            return False
        found = self._table.scan(self._horizon, self._end, HEAD)
        self._near = dict(found)
        self._heap = [key for key, _ in found]
        self._horizon = found[-1][0] + b"\0" if len(found) == HEAD else self._end
        return bool(found)

    def _bound(self) -> None:
        """Forget what is far back, and places in the heap of who has left."""
        if len(self._heap) <= HEAD_LIMIT:
            return
        kept = heapq.nsmallest(HEAD, self._near)
        if len(kept) < len(self._near):
            self._horizon = kept[-1] + b"\0"
        self._near = {key: self._near[key] for key in kept}
        self._heap = kept
