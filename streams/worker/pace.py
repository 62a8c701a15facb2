"""How long things take here, and so how many further ones the worker should hold. Pure."""

WEIGHT = 0.05
"""Of the newest run time in the moving average."""

MOST = 4000
"""Jobs of look-ahead at most."""

SURPLUS = 4
"""How many times its look-ahead a worker may hold: more than that came while its tasks were quicker."""

OWN_COST = 10e-6
"""Seconds that a job costs the worker itself, however short its code is."""

SHORTEST, LONGEST = 0.005, 0.25
"""Seconds of turnaround that are believed at first, and at most."""

GROWTH = 1.5
"""How much longer than the last one a turnaround may seem."""

FUNCTIONS = 10_000
"""Functions whose run times are remembered; with more of them all is learned anew."""


class Pace:
    """Moving averages of run times, in seconds: of each function, and of all that ran.

    A function is known by its job's `call`. Its tasks share what is learned: many of them run only once.
    """

    def __init__(self, slots: int, window: float) -> None:
        self._slots, self._window = slots, window
        self._functions: dict[bytes, float] = {}
        self._all: float | None = None

    def ran(self, call: bytes, seconds: float) -> None:
        """Learn from a run."""
        known = self._functions.get(call)
        if known is None and len(self._functions) >= FUNCTIONS:
            self._functions.clear()
        self._functions[call] = seconds if known is None else known + WEIGHT * (seconds - known)
        self._all = seconds if self._all is None else self._all + WEIGHT * (seconds - self._all)

    def expected(self, call: bytes) -> float | None:
        """Seconds that the function takes here; None: it never ran."""
        return self._functions.get(call)

    def silence(self) -> float:
        """Seconds without an end, with all slots busy, that are nothing unusual here."""
        return max(self._window, 0.05, 2 * (self._all or 0.0))

    def ahead(self, turnaround: float = 0.0) -> int:
        """How many further jobs will start within the window, and while credits turn around, with all slots busy.

        A window of 0 asks for strict order: then nothing is taken ahead.
        """
        if self._all is None or not self._window:
            return 0
        return min(MOST, int(self._slots * (self._window + turnaround) / max(self._all, OWN_COST)))


def surplus(held: int, slots: int, ahead: int) -> int:
    """How many a worker hands back: nothing that starts soon, but all besides where much would wait for long.

    The slots do not count: where tasks take long, what waits behind them waits while other workers may be idle.
    """
    return held - slots - ahead if held > slots + SURPLUS * ahead else 0


class Turnaround:
    """Seconds from telling a limit to the arrival of the first job that it allowed.

    So long a worker would stand idle if it promised only what it holds. While nothing waits in the pool, a job comes
    late for want of work and not for want of credit: so a shorter time is believed at once, a longer one bit by bit.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._awaited: int | None = None
        self._told_at = 0.0

    def told(self, before: int, limit: int, now: float) -> None:
        """A limit was told; `before` was the last one."""
        if self._awaited is None and limit > before:
            self._awaited, self._told_at = before + 1, now

    def arrived(self, seq: int, now: float) -> None:
        """An assignment came."""
        if self._awaited is not None and seq >= self._awaited:
            self._awaited = None
            self.seconds = min(now - self._told_at, max(self.seconds * GROWTH, SHORTEST), LONGEST)
