"""I5 from the log alone: when each execution was given away, and who still stood in line at that moment.

DISPATCH gives away whenever somebody waits and a worker has room, so the moment of a proposal follows from the log:
the first message after which its execution stands in line and its worker has said that it accepts so many. Then
nobody of a higher priority may be left in line. What cannot be placed at all was given away without standing in line,
or beyond what its worker accepts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from pipelines.ids import to_text
from streams.engine.commands import Assign, Beat, Credit, Ready, ReadyCommand, Withdraw
from tests.history.facts import Violation

Key = tuple[bytes, int]
"""Who stands in line: an execution and an attempt."""

Place = tuple[bytes, int, int, int, int]
"""Where: its execution, its priority, and what orders those of one priority."""

PRIORITIES = 10


class Pool:
    """The line of one pool, as its messages make it."""

    def __init__(self, proposals: dict[str, dict[int, Assign]]) -> None:
        self._proposals = proposals
        self._last = {worker: max(numbered) for worker, numbered in proposals.items()}
        self._next: defaultdict[str, int] = defaultdict(lambda: 1)
        self._limits: dict[str, int] = {}
        self._waiting: dict[Key, Ready] = {}
        self._places: dict[Place, Key] = {}
        self._by_priority: Counter[int] = Counter()

    def take(self, command: ReadyCommand) -> None:
        """What a message says."""
        match command:
            case Ready():
                # who stands there already keeps the place, with the newer attempt
                before = self._places.get(_place(command))
                self._remove(before)
                self._add((command.id, max(command.attempt, before[1] if before else 0)), command)
            case Withdraw():
                self._remove(self._places.get(_place(command)))
            case Beat() | Credit():
                draining = isinstance(command, Beat) and command.draining
                if command.worker in self._proposals:
                    self._limits[command.worker] = 0 if draining else command.limit

    def give(self) -> Iterator[Violation]:
        """What was given away after this message, held against who is left."""
        given = []
        while found := self._one():
            given.append(found)
        for ready in given:
            if any(self._by_priority[above] for above in range(ready.priority + 1, PRIORITIES)):
                first = next(r for r in self._waiting.values() if r.priority > ready.priority)
                yield Violation(
                    "I5",
                    to_text(ready.id),
                    f"given away with priority {ready.priority} while {to_text(first.id)} waited with {first.priority}",
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
        for _, worker in sorted((self._next[w] - limit, w) for w, limit in self._limits.items()):
            seq = self._next[worker]
            proposal = self._proposals[worker].get(seq)
            if seq > self._last[worker]:  # it gets nothing any more
                del self._limits[worker]
            if proposal and seq <= self._limits[worker]:
                ready = self._remove((proposal.id, proposal.attempt))
                if ready:
                    self._next[worker] = seq + 1
                    return ready
        return None

    def _add(self, key: Key, ready: Ready) -> None:
        self._remove(key)
        self._waiting[key] = ready
        self._places[_place(ready)] = key
        self._by_priority[ready.priority] += 1

    def _remove(self, key: Key | None) -> Ready | None:
        ready = self._waiting.pop(key, None) if key else None
        if ready:
            del self._places[_place(ready)]
            self._by_priority[ready.priority] -= 1
        return ready


def _place(who: Ready | Withdraw) -> Place:
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
