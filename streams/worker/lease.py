"""Whether this worker may still start something. Pure: monotonic seconds come in as arguments."""

MARGIN = 0.1
"""The part of the lease that is kept back, for clocks that run unevenly and for what is just being started."""


class Lease:
    """A lease that a worker holds itself to: counted from when an acknowledged beat was sent, not from its answer.

    Once it has run out, one beat is not enough: a dismissal may be on its way. It is good again when a later beat,
    sent at least half a lease after the first one that got through, is acknowledged too.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds * (1 - MARGIN)
        self._back: float | None = None
        self.until = now + self._seconds

    def acknowledged(self, sent: float, now: float) -> None:
        """A beat that was sent at `sent` has reached the broker."""
        if now <= self.until:
            self.until = max(self.until, sent + self._seconds)
        elif self._back is None:
            self._back = sent
        elif sent - self._back >= self._seconds / 2:
            self.until, self._back = sent + self._seconds, None

    def holds(self, now: float) -> bool:
        """Whether anything may be started."""
        return now <= self.until
