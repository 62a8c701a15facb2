"""What has ended: kept whole for a time, then as a mark, then not at all. Derived keys hold all in the order of time.

A derived key and its value follow from the record as well as from the mark, so that they are written once, and say all
that is needed to forget: what ended an hour ago is on a disk, and is not read again.

| | bytes |
|---|---|
| mark, in place of the record | until when the record was kept (8), how it ended |
| derived key | F, until when the record is kept (8), the execution's id |
| its value: how it ended | the state (1), r: its value stands elsewhere, or - (1), as what it was retried (0 or 16) |
"""

from streams.engine.records import Execution, Mark, State
from streams.stages.ends import AGAIN, NEVER
from streams.stages.overlay import Overlay

UPTO = b"f"
"""Key of the record that says from which derived key on something is to be forgotten."""

_FIRST, _LAST = b"F", b"G"
_CODES = {
    State.SUCCEEDED: b"s",
    State.FAILED: b"f",
    State.LOST: b"l",
    State.CANCELLED: b"c",
    State.SKIPPED: b"k",
    State.UPSTREAM_FAILED: b"u",
}
_STATES = {code: state for state, code in _CODES.items()}


def is_mark(value: bytes) -> bool:
    """Whether this stands for an execution that was forgotten, and is no record."""
    return value[0] == 0  # the first byte of a time; a record begins with that of a MessagePack array


def read_mark(value: bytes) -> Mark:
    """How an execution ended that was forgotten."""
    return Mark(_STATES[value[8:9]], value[10:])


def mark_row(execution: bytes, value: bytes) -> tuple[bytes, bytes]:
    """What is derived from a mark, a key and its value."""
    return _FIRST + value[:8] + execution, value[8:]


def end_row(record: Execution) -> tuple[bytes, bytes]:
    """What is derived from the record of what has ended, a key and its value."""
    apart = b"r" if record.has_result and not record.value else b"-"
    return _from(record.wake_at) + record.id, _CODES[State(record.state)] + apart + record.retried_as


def _from(moment: int) -> bytes:
    return _FIRST + max(moment, 0).to_bytes(8, "big")


def _time_of(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")


class Past:
    """What has ended in one partition of the table."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._upto = overlay.get(UPTO) or _FIRST
        self._moved = False
        self._oldest = _FIRST  # nothing stands before this key
        self._found: dict[bytes, tuple[bytes, bytes]] = {}
        self.next = 0
        """Nothing is to be forgotten earlier, and no sweep is needed earlier, epoch milliseconds."""

    def end(self, record: Execution, *, known: bool) -> None:
        """An execution has ended; or has changed since, and is `known`."""
        key, how = end_row(record)
        if known:
            self._overlay.derive(key, how)
        else:
            self._overlay.derive_new(key, how)
        if key < self._upto:
            self._move(key)  # by a clock that was set back, say; who is forgotten a second time is as before
        self._oldest = min(self._oldest, key)
        self.next = min(self.next, record.wake_at)

    def over(self, until: int, remember: int, limit: int) -> tuple[list[bytes], list[bytes]]:
        """Ids whose time is over at `until`, and derived keys of marks that were kept for `remember` since then.

        So many of each at the most, earliest first.
        """
        rows = self._overlay.scan(self._upto, _from(until + 1), limit)
        self._found = {row[0][9:]: row for row in rows}
        marks = self._overlay.scan(self._oldest, min(self._upto, _from(until - remember + 1)), limit)
        if marks:
            self._oldest = marks[0][0]
        return list(self._found), [key for key, _ in marks]

    def forget(self, execution: bytes, *, mark: bool) -> bool:
        """Take away one of those that were `over`, in their order; whether it is one."""
        row = self._found.pop(execution, None)
        if row is None:
            return False
        key, how = row
        if mark:
            self._overlay.put(b"x" + execution, key[1:9] + how)
        else:
            self._drop(key)
        self._overlay.delete(b"p" + execution)
        if how[1:2] == b"r":
            self._overlay.delete(b"r" + execution)
        self._move(key + b"\0")
        return True

    def remove(self, key: bytes) -> bytes:
        """Take a mark away, by its derived key; the execution's id."""
        self._drop(key)
        return key[9:]

    def due(self, until: int, remember: int) -> bool:
        """Whether something is to be forgotten at `until` (epoch milliseconds), and no sweep for it is on its way."""
        if until < self.next:
            return False
        first = self._overlay.scan(self._upto, _LAST, 1)
        oldest = self._overlay.scan(self._oldest, self._upto, 1)
        if not oldest:
            self._oldest = self._upto  # what is gone leaves tombstones: no scan should meet them again
        times = [_time_of(key) for key, _ in first] + [_time_of(key) + remember for key, _ in oldest]
        end = min(times, default=NEVER)
        self.next = end if end > until else until + AGAIN
        return end <= until

    def save(self) -> None:
        """Write how far all is forgotten, where that has changed."""
        if self._moved:
            self._overlay.put(UPTO, self._upto)
            self._moved = False

    def _move(self, upto: bytes) -> None:
        self._upto, self._moved = upto, True

    def _drop(self, key: bytes) -> None:
        self._overlay.delete(b"x" + key[9:])
        self._overlay.derive(key, None)
