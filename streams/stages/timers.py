"""The timers of executions that have not ended, in derived keys in the order of their times."""

from streams.engine.records import TERMINAL, Execution
from streams.stages.ends import NEVER
from streams.stages.overlay import Overlay

_FIRST, _LAST = b"D", b"E"


def timer_key(record: Execution) -> bytes | None:
    """The derived key of a record's timer. Bytes: D, the time (8), the execution's id."""
    return _from(record.wake_at) + record.id if record.wake_at and record.state not in TERMINAL else None


def _from(moment: int) -> bytes:
    return _FIRST + moment.to_bytes(8, "big")


class Timers:
    """Those of one partition of the table, and which of them have rung."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._rung = _FIRST  # every timer before this key has rung
        self.next = 0
        """No timer that has not rung is earlier, epoch milliseconds."""

    def ring(self, until: int, limit: int) -> list[bytes]:
        """The executions whose timers are due at `until` (epoch milliseconds) and have not rung yet; earliest first."""
        due = self._overlay.scan(self._rung, _from(until + 1), limit)
        if len(due) == limit:
            self._rung = due[-1][0] + b"\0"
        else:
            self._rung = _from(until + 1)
            later = self._overlay.scan(self._rung, _LAST, 1)
            self.next = int.from_bytes(later[0][0][1:9], "big") if later else NEVER
        return [key[9:] for key, _ in due]

    def set(self, moment: int) -> None:
        """Something is to ring then, also where something has rung for that time already."""
        self.next = min(self.next, moment)
        self._rung = min(self._rung, _from(moment))
