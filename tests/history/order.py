"""I5 from the log alone: when each execution was given away, and who still stood in line at that moment.

DISPATCH gives away whenever somebody waits and a worker has room, so the moment of a proposal follows from the log:
the first message after which its execution stands in line and its worker has said that it accepts so many. Then
nobody of a higher priority may be left in line. What cannot be placed at all was given away without standing in line,
or beyond what its worker accepts. It lends a worker's room only where nobody stands in its line.

What SCHEDULE gave away of such a loan did not stand there. That nobody who was more critical waited follows from the
log of its steps.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from pipelines.ids import to_text
from streams.engine.commands import Assign, Beat, Credit, Lend, Ready, ReadyCommand, Withdraw
from tests.history.facts import Step, Violation

Key = tuple[bytes, int]
"""Who stands in line: an execution and an attempt."""

Place = tuple[bytes, int, int, int, int]
"""Where: its execution, its priority, and what orders those of one priority."""

PRIORITIES = 10


class Pool:
    """The line of one pool, as its messages make it."""

    def __init__(self, proposals: dict[str, dict[int, Assign | Lend]]) -> None:
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
                proposal = numbered[seq]
                if seq < self._next[worker]:
                    continue
                if isinstance(proposal, Lend):
                    evidence = f"{seq} to {proposal.last} of {worker} lent without credit, or while somebody waited"
                    yield Violation("I5", "", evidence)
                else:
                    evidence = f"attempt {proposal.attempt} given to {worker} as its {seq}th without a place or credit"
                    yield Violation("I5", to_text(proposal.id), evidence)

    def _one(self) -> Ready | None:
        """The next one given away. What was repeated may be given away twice: so in the order of who had most room."""
        for _, worker in sorted((self._next[w] - limit, w) for w, limit in self._limits.items()):
            seq = self._next[worker]
            proposal = self._proposals[worker].get(seq)
            if seq > self._last[worker]:  # it gets nothing any more
                del self._limits[worker]
            if isinstance(proposal, Lend):
                if not self._waiting and proposal.last <= self._limits[worker]:
                    self._next[worker] = proposal.last + 1
            elif proposal and seq <= self._limits[worker]:
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


def strict_order(messages: list[list[ReadyCommand]], assigned: list[Assign | Lend]) -> Iterator[Violation]:
    """Replay one partition of headrace.ready against what its dispatcher proposed and lent."""
    pools = {command.pool for message in messages for command in message if isinstance(command, Ready | Beat)}
    worker_pool = {c.worker: c.pool for message in messages for c in message if isinstance(c, Beat)}
    proposals: dict[str, dict[str, dict[int, Assign | Lend]]] = {pool: defaultdict(dict) for pool in pools}
    for proposal in assigned:
        seq = proposal.first if isinstance(proposal, Lend) else proposal.seq
        known = proposals[worker_pool[proposal.worker]][proposal.worker].setdefault(seq, proposal)
        if known != proposal:
            yield Violation("I5", "", f"the {seq}th of {proposal.worker} was first {known} and then {proposal}")
    lines = {pool: Pool(proposals[pool]) for pool in pools}
    for message in messages:
        for command in message:
            if pool := getattr(command, "pool", ""):
                lines[pool].take(command)
        for line in lines.values():
            yield from line.give()
    for line in lines.values():
        yield from line.left()


def strict_loans(steps: list[Step], assigned: list[Assign | Lend], priorities: dict[str, int]) -> Iterator[Violation]:
    """What SCHEDULE gave away of a loan, against who waited by its own steps; and nothing is given to two."""
    proposed = {(to_text(p.id), p.attempt) for p in assigned if isinstance(p, Assign)}
    newest: dict[str, int] = {}
    waiting: set[str] = set()
    given: dict[tuple[str, int], tuple[str, int]] = {}
    for step in steps:
        if step.version <= newest.get(step.execution, 0):
            continue  # repeated by a takeover, or by who did not know of it
        newest[step.execution] = step.version
        (waiting.add if step.state == "waiting" else waiting.discard)(step.execution)
        if step.what != "assigned":
            continue
        who = step.execution, step.attempt
        if given.setdefault((step.worker, step.seq), who) != who:
            yield Violation("I5", step.execution, f"{step}: the {step.seq}th of {step.worker} was another one before")
        above = [other for other in waiting if priorities.get(other, 0) > priorities.get(step.execution, 9)]
        if who not in proposed and above:
            yield Violation("I5", step.execution, f"{step} of a loan, while {min(above)} waited")
