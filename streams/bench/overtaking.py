"""Who overtook whom, from the logs alone: what DISPATCH had given away when a critical one came, and when it left.

A message of headrace.ready is taken whole, and then DISPATCH gives away whatever its workers still accept. While a
backlog waits, it has always given away as much as the workers' credits so far allow; so their credits before a message
say what it had given away by then, and the numbers of its assignments say what.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.engine.commands import Assign, Beat, Credit, Finished, Ready, ReadyCommand

Limits = dict[str, int]
"""How many assignments each worker accepts in all."""


class Given(NamedTuple):
    """A critical one on its way: times in the logs, epoch milliseconds."""

    ready_at: int
    assigned_at: int
    started_at: int
    overtaken: int
    """Low ones given away between its arrival in the line and its own dispatch."""
    held: int
    """Low ones that its worker had already, and started after it had been dispatched and before it."""


@dataclass
class Assigned:
    """What headrace.tasks says: each worker's assignments by number, when they were made, and when they started."""

    by_worker: dict[str, dict[int, bytes]] = field(default_factory=dict)
    of: dict[bytes, Assign] = field(default_factory=dict)
    at: dict[bytes, int] = field(default_factory=dict)
    started: dict[bytes, int] = field(default_factory=dict)

    def take(self, command: object, at: int) -> None:
        """One command of the log; what was repeated counts once."""
        match command:
            case Assign():
                self.by_worker.setdefault(command.worker, {})[command.seq] = command.id
                self.of.setdefault(command.id, command)
                self.at.setdefault(command.id, at)
            case Finished():
                self.started.setdefault(command.id, command.started_at)

    def between(self, worker: str, first: int, last: int) -> Iterable[bytes]:
        """Who got the numbers above `first` and up to `last` of a worker."""
        numbered = self.by_worker.get(worker, {})
        return (numbered[seq] for seq in range(first + 1, last + 1) if seq in numbered)


def judge(
    ready: Iterable[tuple[int, list[ReadyCommand]]], assigned: Assigned, critical: frozenset[bytes], pool: str
) -> dict[bytes, Given]:
    """What became of each critical one. `ready`: the messages of headrace.ready with their times, in order."""
    limits: Limits = {}
    waiting: dict[bytes, tuple[int, Limits]] = {}
    found: dict[bytes, Given] = {}
    for at, commands in ready:
        before = dict(limits)
        for command in commands:
            match command:
                case Ready() if command.id in critical:
                    waiting.setdefault(command.id, (at, before))
                case Beat() | Credit() if command.pool == pool:
                    limits[command.worker] = max(command.limit, limits.get(command.worker, 0))
        for which in _given(waiting, assigned, limits):
            came, then = waiting.pop(which)
            found[which] = _told(which, assigned, critical, came, _low_between(which, assigned, critical, then, before))
    return found


def _given(waiting: Mapping[bytes, object], assigned: Assigned, limits: Limits) -> list[bytes]:
    """Who of the waiting is given away once the workers accept so many."""
    return [w for w in waiting if (a := assigned.of.get(w)) and a.seq <= limits.get(a.worker, 0)]


def _low_between(which: bytes, assigned: Assigned, critical: frozenset[bytes], came: Limits, left: Limits) -> int:
    """Low ones given away behind the credits of when it came, and before it: in its own message by the number."""
    own = assigned.of[which]
    last = {**left, own.worker: own.seq - 1}
    passed = (found for worker, seq in last.items() for found in assigned.between(worker, came.get(worker, 0), seq))
    return sum(1 for found in passed if found not in critical)


def _told(which: bytes, assigned: Assigned, critical: frozenset[bytes], came: int, overtaken: int) -> Given:
    own, at, started = assigned.of[which], assigned.at[which], assigned.started[which]
    held = sum(
        1
        for low in assigned.between(own.worker, 0, own.seq - 1)
        if low not in critical and at < assigned.started.get(low, 0) < started
    )
    return Given(came, at, started, overtaken, held)
