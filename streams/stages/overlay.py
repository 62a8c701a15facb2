"""Changes since the last save over a table partition: reads see them, one commit makes them durable."""

from heapq import merge

from streams.state.partition import RECORD_OVERHEAD, Changes, Partition


class Overlay:
    """Changes of the records (they go to the changelog) and of the keys derived from them (they do not)."""

    __slots__ = ("_base", "_derived", "_fresh", "_records", "weight")

    def __init__(self, base: Partition) -> None:
        self._base = base
        self._records: dict[bytes, bytes | None] = {}
        self._derived: dict[bytes, bytes | None] = {}
        self._fresh: set[bytes] = set()
        self.weight = 0
        """Bytes that the records take in the changelog, as `batch_bytes` counts them."""

    def get(self, key: bytes) -> bytes | None:
        """The value as it will be; none: there is none."""
        return self._records[key] if key in self._records else self._base.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys` as they will be, in their order."""
        records = self._records
        stored = iter(self._base.get_many([key for key in keys if key not in records]))
        return [records[key] if key in records else next(stored) for key in keys]

    def put(self, key: bytes, value: bytes) -> None:
        """Set a record."""
        self._set(key, value)
        self.weight += len(value)

    def add(self, key: bytes, value: bytes) -> None:
        """Set a record whose key is surely new: deleted before the next save, or soon, it leaves no trace."""
        if key not in self._records:
            self._fresh.add(key)
        self.put(key, value)

    def delete(self, key: bytes) -> None:
        """Take a record away."""
        self._set(key, None)
        if key in self._fresh:
            self._fresh.discard(key)
            del self._records[key]
            self.weight -= len(key) + RECORD_OVERHEAD

    def change(self, key: bytes, value: bytes | None) -> None:
        """Set a record or take it away."""
        if value is None:
            self.delete(key)
        else:
            self.put(key, value)

    def derive(self, key: bytes, value: bytes | None) -> None:
        """Set or take away a derived key."""
        if value is None and key in self._fresh:
            self._fresh.discard(key)
            del self._derived[key]
        else:
            self._derived[key] = value

    def derive_new(self, key: bytes, value: bytes = b"") -> None:
        """Set a derived key that is surely not there."""
        if key not in self._derived:
            self._fresh.add(key)
        self._derived[key] = value

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs in order as they will be, `end` exclusive."""
        own = {k: v for changes in (self._records, self._derived) for k, v in changes.items() if start <= k < end}
        if not own:
            return self._base.scan(start, end, limit)
        gone = sum(value is None for value in own.values())
        stored = [pair for pair in self._base.scan(start, end, limit + gone) if pair[0] not in own]
        added = sorted((k, v) for k, v in own.items() if v is not None)
        return list(merge(stored, added))[:limit]

    def changes(self) -> Changes:
        """What is to be committed."""
        return Changes(list(self._records.items()), list(self._derived.items()), frozenset(self._fresh))

    def clear(self) -> None:
        """Forget the changes: they are durable now."""
        self._records.clear()
        self._derived.clear()
        self._fresh.clear()
        self.weight = 0

    def _set(self, key: bytes, value: bytes | None) -> None:
        if key in self._records:
            self.weight -= len(self._records[key] or b"")
        else:
            self.weight += len(key) + RECORD_OVERHEAD
        self._records[key] = value
