"""What time it is in the log, as far as one's own clock can tell: the log decides, this only says when to ask it."""


class LogClock:
    """Learns from every message how far the log's clock is ahead of one's own.

    A message is handled later than it was appended, so the largest difference seen is nearest to the truth, and what
    comes of it is late rather than early. Where it was early all the same, one of the clocks was set: learn anew. Where
    one's own was set back, nothing is known until the next message.
    """

    def __init__(self) -> None:
        self._ahead: int | None = None
        self._heard: int | None = None
        self._doubted = False
        self._now = 0

    def hear(self, at: int) -> None:
        """A message came that was appended at `at`, the log's epoch milliseconds."""
        self._heard = at

    def doubt(self) -> None:
        """What was to come at some time came to the log too early."""
        self._doubted = True

    def learn(self, now: int) -> None:
        """One's own clock says `now`, just behind the last message."""
        if now < self._now:
            self._ahead = None
        self._now = now
        if self._heard is None:
            return
        ahead = self._heard - now
        if self._ahead is None or self._doubted or ahead > self._ahead:
            self._ahead = ahead
        self._heard, self._doubted = None, False

    def log_time(self, now: int) -> int | None:
        """The log's time when one's own clock says `now`; none: it is to be heard first."""
        return None if self._ahead is None else now + self._ahead

    def own_time(self, at: int) -> int:
        """What one's own clock says when the log's says `at`."""
        return at - (self._ahead or 0)
