"""A page of memory that a worker shares with one of its processes: who runs what is known even when it dies.

The process notes the job that it starts and journals its answers here before it sends them, so a crash loses none.
The worker notes here what the process must not start: jobs that it took back, and anything after its lease.
Both read the machine's monotonic clock.
"""

import mmap
import os
import threading
from typing import Self

SIZE = 256 * 1024
HEADER = 64
ROOM = SIZE - HEADER
"""Bytes of journal."""

RUNNING, STARTED, BARRIER, FENCE, SENT, ROUND, USED = range(7)
"""Places of the header's numbers: job that runs (0: none), when it started, the first job that may start, until when,
frames that the worker sent, how often the journal was emptied, bytes in it."""


class Panel:
    """The page, seen from either side."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, SIZE)
        self._view = memoryview(self._memory)
        self._numbers = self._view[:HEADER].cast("Q")
        self._times = self._view[:HEADER].cast("d")
        self._order = (
            threading.Lock()
        )  # nobody else takes it: it keeps the processor from reading before it has written

    @classmethod
    def make(cls) -> Self:
        """A new page, for a process that inherits its descriptor."""
        fd = os.memfd_create("headrace-panel")
        os.ftruncate(fd, SIZE)
        return cls(fd)

    def close(self) -> None:
        """Let go of the page."""
        self._numbers.release()
        self._times.release()
        self._view.release()
        self._memory.close()
        os.close(self.fd)

    # --- the process's side

    def may_start(self, number: int, now: float) -> bool:
        """Note that `number` starts now; False where the worker took it back."""
        self._times[STARTED] = now
        self._numbers[RUNNING] = number
        with self._order:
            pass
        if number >= self._numbers[BARRIER]:
            return True
        self._numbers[RUNNING] = 0
        return False

    def ended(self) -> None:
        """Note that nothing runs."""
        self._numbers[RUNNING] = 0

    def append(self, data: bytes) -> None:
        """Journal some bytes; there must be room."""
        used = self._numbers[USED]
        self._view[HEADER + used : HEADER + used + len(data)] = data
        self._numbers[USED] = used + len(data)

    @property
    def used(self) -> int:
        """Bytes in the journal."""
        return self._numbers[USED]

    def journal(self) -> memoryview:
        """The journal's bytes."""
        return self._view[HEADER : HEADER + self._numbers[USED]]

    def empty(self) -> None:
        """Start the journal again, after it was sent. In this order, or `peek` could take new bytes for old ones."""
        self._numbers[USED] = 0
        self._numbers[ROUND] += 1

    @property
    def sent(self) -> int:
        """How many frames the worker has sent."""
        return self._numbers[SENT]

    @property
    def fence(self) -> float:
        """Until when something may be started."""
        return self._times[FENCE]

    # --- the worker's side

    def running(self) -> tuple[int, float]:
        """The job that runs (0: none) and since when."""
        return self._numbers[RUNNING], self._times[STARTED]

    def take_back(self, below: int) -> int:
        """No job with a lower number may start any more; returns the one that runs.

        Where both meet at the same moment the process does not start it, and hands it back itself.
        """
        self._numbers[BARRIER] = below
        with self._order:
            pass
        return self._numbers[RUNNING]

    def set_fence(self, until: float) -> None:
        """Nothing may start after this."""
        self._times[FENCE] = until

    @property
    def round(self) -> int:
        """How often the journal was emptied."""
        return self._numbers[ROUND]

    def count_sent(self) -> None:
        """One more frame is on its way."""
        self._numbers[SENT] += 1

    def peek(self) -> bytes:
        """What is journalled and not sent yet; nothing where it is being sent just now."""
        at = self._numbers[ROUND]
        data = bytes(self.journal())
        return data if at == self._numbers[ROUND] else b""
