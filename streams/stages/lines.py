"""Who waits in each pool, in one partition of the table: a derived key for each place, and their heads in memory.

A place says where in the line an execution stands, and follows from its record. Any number of them may wait: what is
behind the head costs no memory, and the head of a pool in which nothing is given away neither.
"""

from bisect import bisect_left, insort

import msgspec

from streams.engine.line import HEAD, HEAD_LIMIT, line_start, oldest, order_of
from streams.engine.records import MOST_CRITICAL, Execution, State
from streams.stages.overlay import Overlay

POOLS = 1_000
"""Pools whose heads are kept in memory."""

_encode = msgspec.msgpack.Encoder().encode
_counts = msgspec.msgpack.Decoder(list[int]).decode


def place_key(record: Execution) -> bytes | None:
    """The derived key of a place. Bytes: q, pool, 0, 9 - priority, deadline (8), ready_at (8), arrival (8), id (16)."""
    return line_start(record.pool) + order_of(record) if record.state == State.WAITING else None


class Lines:
    """The lines of all pools. Their lengths are records: n + pool, a count for each priority."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._heads: dict[str, _Head] = {}
        self._changed: set[str] = set()
        self.waiting = {key[1:].decode(): _counts(value) for key, value in overlay.scan(b"n", b"o", 1_000_000)}
        """How many wait in each pool, by priority; of a pool in which nobody does there is nothing, or zeros."""

    def moved(self, old: Execution | None, new: Execution) -> None:
        """Let one that begins to wait enter, and one that waits no more leave."""
        before, after = place_key(old) if old else None, place_key(new)
        if before == after:
            return
        head = self._heads.get(new.pool)
        if before:
            self._overlay.derive(before, None)
            self._count(new, -1)
            if head:
                head.leave(before)
        if after:
            self._overlay.derive_new(after)
            self._count(new, 1)
            if head:
                head.enter(after)

    def first(self, pool: str) -> bytes | None:
        """The id of who is first in line; none: nobody waits."""
        head = self._heads.get(pool)
        if head is None:
            head = self._heads[pool] = _Head(self._overlay, pool)
        place = head.first()
        return place[-16:] if place else None

    def head(self, pool: str, limit: int) -> list[bytes]:
        """The ids of the first in line, as far as they are in memory, once the first one is; `limit` at the most."""
        return [place[-16:] for place in self._heads[pool].some(limit)]

    def counts(self, pool: str) -> tuple[int, ...]:
        """How many wait in a pool, by priority."""
        return tuple(self.waiting.get(pool) or (0,) * (MOST_CRITICAL + 1))

    def oldest(self, pool: str) -> int:
        """When the one who waits longest came, epoch milliseconds; 0: nobody waits."""
        return oldest(self._overlay.scan, line_start(pool), self.waiting.get(pool, ()))

    def save(self) -> None:
        """Write the lengths that have changed, in an order that is the same in each process."""
        for pool in sorted(self._changed):
            counts = self.waiting[pool]
            self._overlay.change(b"n" + pool.encode(), _encode(counts) if any(counts) else None)
            if not any(counts):
                del self.waiting[pool]
        self._changed.clear()
        if len(self._heads) > POOLS:
            self._heads.clear()

    def _count(self, record: Execution, change: int) -> None:
        self.waiting.setdefault(record.pool, [0] * (MOST_CRITICAL + 1))[record.priority] += change
        self._changed.add(record.pool)


class _Head:
    """One line. All places before `horizon` are in memory, in order from `at` on, and no others."""

    __slots__ = ("_at", "_end", "_horizon", "_overlay", "_places")

    def __init__(self, overlay: Overlay, pool: str) -> None:
        self._overlay = overlay
        self._horizon = line_start(pool)
        self._end = self._horizon[:-1] + b"\x01"
        self._places: list[bytes] = []
        self._at = 0

    def enter(self, place: bytes) -> None:
        if place >= self._horizon:
            return
        insort(self._places, place, lo=self._at)
        if len(self._places) - self._at > HEAD_LIMIT:
            del self._places[: self._at]
            self._at, self._horizon = 0, self._places[HEAD]
            del self._places[HEAD:]

    def leave(self, place: bytes) -> None:
        if place >= self._horizon:
            return
        index = bisect_left(self._places, place, lo=self._at)
        if index != self._at:
            del self._places[index]
            return
        self._at += 1  # the way of nearly all
        if self._at == HEAD:
            del self._places[:HEAD]
            self._at = 0

    def first(self) -> bytes | None:
        if self._at < len(self._places):
            return self._places[self._at]
        if self._horizon >= self._end:
            return None
        self._places = [key for key, _ in self._overlay.scan(self._horizon, self._end, HEAD)]
        self._at = 0
        self._horizon = self._places[-1] + b"\0" if len(self._places) == HEAD else self._end
        return self._places[0] if self._places else None

    def some(self, limit: int) -> list[bytes]:
        return self._places[self._at : self._at + limit]
