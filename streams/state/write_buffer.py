"""The newest changes of a store, in memory: most keys of a short execution come and go before they ever meet a disk.

What is in here alone is lost with its process, and read back from the changelog.
"""

from bisect import bisect_left, insort
from collections.abc import Container, Iterable

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
        self._born: set[bytes] = set()  # those that nothing below knows
        self._order: dict[bytes, list[bytes]] = {}  # by a key's first byte, of those that were asked for

    def add(self, changes: Iterable[Change], fresh: Container[bytes] = ()) -> None:
        """Take changes over, in their order. What is taken away of `fresh` ones, which nothing below knows, leaves."""
        mine, born, order, size = self.changes, self._born, self._order, self.size
        for key, value in changes:
            if key not in mine:
                size += len(key) + OVERHEAD + len(value or b"")
                if key in fresh:
                    born.add(key)
                if order and key[:1] in order:
                    insort(order[key[:1]], key)
            elif value is None and key in born:
                size -= len(key) + OVERHEAD + len(mine[key] or b"")
                self._forget(key)
                continue
            else:
                size += len(value or b"") - len(mine[key] or b"")
            mine[key] = value
        self.size = size

    def keys(self, start: bytes, end: bytes) -> list[bytes]:
        """The keys from `start` on, before `end`, in order; those that were taken away too."""
        last = end[0] + (len(end) > 1)
        lines = [self._line(bytes((first,))) for first in range(start[0], last)]
        return [key for line in lines for key in line[bisect_left(line, start) : bisect_left(line, end)]]

    def _forget(self, key: bytes) -> None:
        self._born.discard(key)
        del self.changes[key]
        if line := self._order.get(key[:1]):
            del line[bisect_left(line, key)]

    def _line(self, first: bytes) -> list[bytes]:
        if first not in self._order:
            self._order[first] = sorted(key for key in self.changes if key.startswith(first))
        return self._order[first]
