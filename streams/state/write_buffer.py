"""The newest changes of a store, in memory: most keys of a short execution come and go before they ever meet a disk.

What is in here alone is lost with its process, and read back from the changelog.
"""

from bisect import bisect_left
from collections.abc import Container, Iterable

from streams.state.partition import Change

OVERHEAD = 150
"""Bytes of memory that a change takes beside its key and its value, roughly."""


class WriteBuffer:
    """The last change of each key. Keys are put in order only where, and only when, they are scanned."""

    __slots__ = ("_born", "_late", "_order", "changes", "size")

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self.size = 0
        """Bytes of memory, roughly."""
        self._born: set[bytes] = set()  # those that nothing below knows
        self._order: dict[bytes, list[bytes]] = {}  # by a key's first byte, of those that were asked for
        self._late: dict[bytes, list[bytes]] = {}  # what has come to these, or left them, since then

    def add(self, changes: Iterable[Change], fresh: Container[bytes] = ()) -> None:
        """Take changes over, in their order. What is taken away of `fresh` ones, which nothing below knows, leaves."""
        mine, born, late, size = self.changes, self._born, self._late, self.size
        for key, value in changes:
            if key not in mine:
                size += len(key) + OVERHEAD + len(value or b"")
                if key in fresh:
                    born.add(key)
                if key[:1] in late:
                    late[key[:1]].append(key)
            elif value is None and key in born:
                size -= len(key) + OVERHEAD + len(mine[key] or b"")
                born.discard(key)
                del mine[key]
                if key[:1] in late:
                    late[key[:1]].append(key)
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

    def _line(self, first: bytes) -> list[bytes]:
        if first not in self._order:
            self._order[first] = sorted(key for key in self.changes if key.startswith(first))
            self._late[first] = []
        elif self._late[first]:
            known = dict.fromkeys(sorted(self._order[first] + self._late[first]))
            self._order[first] = [key for key in known if key in self.changes]
            self._late[first] = []
        return self._order[first]
