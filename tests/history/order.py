"""I5 from the log alone: when each execution was given away, and who still stood in line at that moment.

DISPATCH gives away whenever somebody waits and a worker has room, so the moment of a proposal follows from the log:
the first message after which its execution stands in line and its worker has said that it accepts so many. Then
nobody of a higher priority may be left in line. What cannot be placed at all was given away without standing in line,
or beyond what its worker accepts.
"""

from collections import defaultdict
from collections.abc import Iterator

from pipelines.ids import to_text
from streams.engine.commands import Assign, Beat, Credit, Ready, ReadyCommand, Withdraw
from tests.history.facts import Violation

Waiting = dict[tuple[bytes, int], Ready]
"""Who stands in line, by execution and attempt."""


class Pool:
    """The line of one pool, as its messages make it."""

    def __init__(self, proposals: dict[str, dict[int, Assign]]) -> None:
        self._proposals = proposals
        self._next: defaultdict[str, int] = defaultdict(lambda: 1)
        self._limits: dict[str, int] = {}
        self._waiting: Waiting = {}

    def take(self, command: ReadyCommand) -> None:
        """What a message says."""
        match command:
            case Ready():
                # who stands there already keeps the place, with the newer attempt
                same = [key for key, ready in self._waiting.items() if _place(ready) == _place(command)]
                newest = max([command.attempt, *(attempt for _, attempt in same)])
                for key in same:
                    del self._waiting[key]
                self._waiting[command.id, newest] = command
            case Withdraw():
                gone = [key for key, ready in self._waiting.items() if _place(ready) == _place(command)]
                for key in gone:
                    del self._waiting[key]
            case Beat() | Credit():
                draining = isinstance(command, Beat) and command.draining
                self._limits[command.worker] = 0 if draining else command.limit

    def give(self) -> Iterator[Violation]:
        """What was given away after this message, held against who is left."""
        given = []
        while found := self._one():
            given.append(found)
        for ready in given:
            if above := [r for r in self._waiting.values() if r.priority > ready.priority]:
                yield Violation(
                    "I5",
                    to_text(ready.id),
                    f"given away with priority {ready.priority} while {to_text(above[0].id)} waited "
                    f"with {above[0].priority}",
                )

    def left(self) -> Iterator[Violation]:
        """Proposals that nothing in the log explains."""
        for worker, numbered in self._proposals.items():
            for seq in sorted(numbered):
                if seq >= self._next[worker]:
                    proposal = numbered[seq]
                    evidence = f"attempt {proposal.attempt} given to {worker} as its {seq}th without a place or credit"
                    yield Violation("I5", to_text(proposal.id), evidence)

    def _one(self) -> Ready | None:
        """The next one given away. What was repeated may be given away twice: so in the order of who had most room."""
        for _, worker in sorted((self._next[w] - self._limits.get(w, 0), w) for w in self._proposals):
            seq = self._next[worker]
            proposal = self._proposals[worker].get(seq)
            if proposal and seq <= self._limits.get(worker, 0):
                ready = self._waiting.pop((proposal.id, proposal.attempt), None)
                if ready:
                    self._next[worker] = seq + 1
                    return ready
        return None


def _place(who: Ready | Withdraw) -> tuple[bytes, int, int, int, int]:
    return who.id, who.priority, who.deadline, who.ready_at, who.arrival


def strict_order(messages: list[list[ReadyCommand]], assigned: list[Assign]) -> Iterator[Violation]:
    """Replay one partition of headrace.ready against what its dispatcher proposed."""
    pools = {command.pool for message in messages for command in message if isinstance(command, Ready | Beat)}
    worker_pool = {c.worker: c.pool for message in messages for c in message if isinstance(c, Beat)}
    proposals: dict[str, dict[str, dict[int, Assign]]] = {pool: defaultdict(dict) for pool in pools}
    for proposal in assigned:
        known = proposals[worker_pool[proposal.worker]][proposal.worker].setdefault(proposal.seq, proposal)
        if known != proposal:
            evidence = f"the {proposal.seq}th of {proposal.worker} was first {to_text(known.id)} and then another"
            yield Violation("I5", to_text(proposal.id), evidence)
    lines = {pool: Pool(proposals[pool]) for pool in pools}
    for message in messages:
        for command in message:
            if pool := getattr(command, "pool", ""):
                lines[pool].take(command)
        for line in lines.values():
            yield from line.give()
    for line in lines.values():
        yield from line.left()
