"""Records that end by themselves: done marks and bans. Derived keys hold them in the order of their ends.

The value of such a record begins with its end, 8 bytes of epoch milliseconds, so that its derived key follows from it.
"""

from streams.stages.overlay import Overlay

AGAIN = 1_000
"""Milliseconds for which a sweep may be on its way before another one is asked for."""

NEVER = 1 << 62
"""A moment that does not come."""

PREFIXES = b"dg"
"""The first bytes of the records that end by themselves."""


def end_key(key: bytes, value: bytes) -> bytes:
    """The derived key of a record's end. Bytes: E, the end (8), the record's key."""
    return b"E" + value[:8] + key


class Ends:
    """What ends by itself in one partition of the table."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._first = b"E"  # nothing stands before this key
        self.next = 0
        """Nothing ends earlier, and no sweep is needed earlier, epoch milliseconds."""

    def put(self, key: bytes, until: int, rest: bytes = b"") -> None:
        """Set a record that ends at `until`."""
        value = until.to_bytes(8, "big") + rest
        if old := self._overlay.get(key):
            self._overlay.derive(end_key(key, old), None)
        self._overlay.put(key, value)
        self._overlay.derive(end_key(key, value), b"")
        self._first = min(self._first, end_key(key, value))
        self.next = min(self.next, until)

    def ended(self, until: int, limit: int) -> tuple[bytes, ...]:
        """The keys of records that have ended at `until`, earliest first."""
        end = b"E" + (until + 1).to_bytes(8, "big")
        return tuple(key[9:] for key, _ in self._overlay.scan(self._first, end, limit))

    def remove(self, keys: tuple[bytes, ...]) -> None:
        """Take records away; they are the earliest that there are."""
        for key in keys:
            if value := self._overlay.get(key):
                self._overlay.delete(key)
                self._overlay.derive(end_key(key, value), None)
                self._first = end_key(key, value)

    def due(self, until: int) -> bool:
        """Whether something has ended at `until` (epoch milliseconds), and no sweep for it is on its way."""
        if until < self.next:
            return False
        found = self._overlay.scan(self._first, b"F", 1)
        end = int.from_bytes(found[0][0][1:9], "big") if found else NEVER
        self.next = end if end > until else until + AGAIN
        return end <= until
