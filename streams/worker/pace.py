"""How long things take here, and so how many further ones the worker should hold. Pure."""

WEIGHT = 0.05
"""Of the newest run time in the moving average."""

MOST = 4000
"""Jobs of look-ahead at most."""

OWN_COST = 10e-6
"""Seconds that a job costs the worker itself, however short its code is."""

TASKS = 10_000
"""Tasks whose run times are remembered; with more of them all is learned anew."""


class Pace:
    """Moving averages of run times, in seconds: of each task, and of all that ran."""

    def __init__(self, slots: int, window: float) -> None:
        self._slots, self._window = slots, window
        self._tasks: dict[str, float] = {}
        self._all: float | None = None

    def ran(self, task: str, seconds: float) -> None:
        """Learn from a run."""
        known = self._tasks.get(task)
        if known is None and len(self._tasks) >= TASKS:
            self._tasks.clear()
        self._tasks[task] = seconds if known is None else known + WEIGHT * (seconds - known)
        self._all = seconds if self._all is None else self._all + WEIGHT * (seconds - self._all)

    def expected(self, task: str) -> float | None:
        """Seconds that the task takes here; None: it never ran."""
        return self._tasks.get(task)

    def ahead(self) -> int:
        """How many further jobs will start within the window when all slots are busy."""
        if self._all is None:
            return 0
        return min(MOST, int(self._slots * self._window / max(self._all, OWN_COST)))
