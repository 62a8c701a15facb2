"""A table partition without server or disk: the twin that tests and simulations use."""

from bisect import bisect_left, insort

from streams.state.partition import NO_MARKER, Change, Changes, ClosedError, check_commit


class MemoryPartition:
    """Keeps `Partition`'s promises in a dict and a sorted list of its keys.

    `log` holds what a changelog would: one list of changes and the marker for each commit.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.marker = NO_MARKER
        self.log: list[tuple[list[Change], int]] = []
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        """See `Partition.get`."""
        self._check_open()
        return self._values.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """See `Partition.get_many`."""
        self._check_open()
        return [self._values.get(key) for key in keys]

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `Partition.scan`."""
        self._check_open()
        first, last = bisect_left(self._keys, start), bisect_left(self._keys, end)
        return [(key, self._values[key]) for key in self._keys[first : min(last, first + max(limit, 0))]]

    async def commit(self, changes: Changes, marker: int) -> None:
        """See `Partition.commit`. Raises AssertionError for a key that is called fresh and is not."""
        self._check_open()
        check_commit(self.marker, changes, marker)
        if known := changes.fresh & self._values.keys():
            raise AssertionError(f"{min(known)!r} is in the table already")
        self.log.append((list(changes.records), marker))
        for key, value in (*changes.records, *changes.derived):
            self._set(key, value)
        self.marker = marker

    def close(self) -> None:
        """Give the partition up; any later use raises ClosedError."""
        self._open = False

    def _set(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self._values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
            return
        if key not in self._values:
            insort(self._keys, key)
        self._values[key] = value

    def _check_open(self) -> None:
        if not self._open:
            raise ClosedError(f"partition {self.number} is closed")
