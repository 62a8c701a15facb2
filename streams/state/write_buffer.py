"""The newest changes of a store, in memory: most keys of a short execution come and go before they ever meet a disk.

What is in here alone is lost with its process, and read back from the changelog.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

from streams.state.partition import Change

OVERHEAD = 150
"""Bytes of memory that a change takes beside its key and its value, roughly."""


class WriteBuffer:
    """The last change of each key. Keys are put in order only where they are scanned."""

    __slots__ = ("_born", "_order", "changes", "size")

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self.size = 0
        """Bytes of memory, roughly."""
        self._born: set[bytes] = set()
        self._order: dict[bytes, list[bytes]] = {}  # by a key's first byte, of those that were asked for

    def add(self, changes: Iterable[Change]) -> list[bytes]:
        """Take changes over, in their order. Returns keys that have come and gone in here, for `forget`."""
        mine, order, size = self.changes, self._order, self.size
        gone: list[bytes] = []
        for key, value in changes:
            if key in mine:
                size -= len(mine[key] or b"")
                if value is None and key in self._born:
                    gone.append(key)
            else:
                size += len(key) + OVERHEAD
                if value is not None:
                    self._born.add(key)
                if key[:1] in order:
                    insort(order[key[:1]], key)
            mine[key] = value
            size += len(value or b"")
        self.size = size
        return gone

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop keys that were taken away, and that the store below does not know either."""
        for key in keys:
            if key in self._born and self.changes[key] is None:
                self._born.discard(key)
                del self.changes[key]
                self.size -= len(key) + OVERHEAD
                if line := self._order.get(key[:1]):
                    del line[bisect_left(line, key)]

    def keys(self, start: bytes, end: bytes) -> list[bytes]:
        """The keys from `start` on, before `end`, in order; those that were taken away too."""
        last = end[0] + (len(end) > 1)
        lines = [self._line(bytes((first,))) for first in range(start[0], last)]
        return [key for line in lines for key in line[bisect_left(line, start) : bisect_left(line, end)]]

    def _line(self, first: bytes) -> list[bytes]:
        if first not in self._order:
            self._order[first] = sorted(key for key in self.changes if key.startswith(first))
        return self._order[first]
