"""Records that end by themselves, and derived keys that hold them in the order of their ends.

The value of such a record begins with its end, 8 bytes of epoch milliseconds, so that its derived key follows from it.
"""

from streams.stages.overlay import Overlay

AGAIN = 200
"""Milliseconds for which a sweep may be on its way before another one is asked for."""

NEVER = 1 << 62
"""A moment that does not come."""

PREFIXES = b"g"
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

    def add(self, key: bytes, until: int) -> None:
        """Set a record that ends at `until`, and surely is not there yet."""
        value = until.to_bytes(8, "big")
        self._overlay.add(key, value)
        self._overlay.derive_new(end_key(key, value))
        self._first = min(self._first, end_key(key, value))
        self.next = min(self.next, until)

    def over(self, until: int, limit: int) -> list[bytes]:
        """The keys of records that have ended at `until`, earliest first."""
        return [key[9:] for key in self._found(b"E" + (until + 1).to_bytes(8, "big"), limit)]

    def remove(self, key: bytes) -> None:
        """Take a record away, if it is there."""
        if value := self._overlay.get(key):
            self._overlay.delete(key)
            self._overlay.derive(end_key(key, value), None)

    def due(self, until: int) -> bool:
        """Whether something has ended at `until` (epoch milliseconds), and no sweep for it is on its way."""
        if until < self.next:
            return False
        found = self._found(b"F", 1)
        end = int.from_bytes(found[0][1:9], "big") if found else NEVER
        self.next = end if end > until else until + AGAIN
        return end <= until

    def _found(self, end: bytes, limit: int) -> list[bytes]:
        found = [key for key, _ in self._overlay.scan(self._first, end, limit)]
        if found:
            self._first = found[0]
        return found
