"""Who overtook whom, from the log of steps alone: with one partition of tasks it is the order of all decisions."""

from collections.abc import Iterable
from typing import NamedTuple

from streams.engine.events import Moved
from streams.engine.records import Execution, State


class Given(NamedTuple):
    """A critical one on its way: times by the logs, epoch milliseconds."""

    ready_at: int
    assigned_at: int
    started_at: int
    overtaken: int
    """Low ones given away between its arrival in the line and its own dispatch."""
    held: int
    """Low ones that its worker had already, and started after it had been dispatched and before it."""


class Way(NamedTuple):
    """What became of the critical ones, and how many low ones stood in line when the last of them left it."""

    given: dict[bytes, Given]
    left: int


class _Steps:
    """What the steps so far say. Of the low ones only numbers and starts are kept."""

    def __init__(self, critical: frozenset[bytes]) -> None:
        self.critical = critical
        self.assigned: dict[bytes, tuple[Execution, int, int]] = {}  # with low ones before it in all, and in line then
        self.low: dict[tuple[str, int], bytes] = {}  # by worker and number
        self.started: dict[bytes, int] = {}
        self._versions: dict[bytes, int] = {}
        self._given = 0
        self._entered: dict[bytes, int] = {}
        self._waiting: set[bytes] = set()

    def take(self, move: Moved) -> None:
        """One step; what a takeover repeats counts once."""
        record = move.execution
        if record.version <= self._versions.get(record.id, 0):
            return
        self._versions[record.id] = record.version
        if record.started_at:
            self.started[record.id] = record.started_at
        if record.id in self.critical:
            self._take_critical(move)
            return
        (self._waiting.add if record.state == State.WAITING else self._waiting.discard)(record.id)
        if move.what == "assigned":
            self._given += 1
            self.low[record.worker, record.seq] = record.id

    def _take_critical(self, move: Moved) -> None:
        record = move.execution
        if record.state == State.WAITING:
            self._entered.setdefault(record.id, self._given)
        elif move.what == "assigned":
            overtaken = self._given - self._entered.get(record.id, self._given)
            self.assigned.setdefault(record.id, (record, overtaken, len(self._waiting)))


def judge(steps: Iterable[Moved], critical: frozenset[bytes]) -> Way:
    """What became of each critical one that has started."""
    seen = _Steps(critical)
    for move in steps:
        seen.take(move)
    found = {}
    for which, (record, overtaken, _) in seen.assigned.items():
        if started := seen.started.get(which):
            at = record.dispatched_at
            before = [
                seen.started.get(w, 0) for (name, n), w in seen.low.items() if name == record.worker and n < record.seq
            ]
            held = sum(1 for moment in before if at < moment < started)
            found[which] = Given(record.ready_at, at, started, overtaken, held)
    return Way(found, min((left for _, _, left in seen.assigned.values()), default=0))
