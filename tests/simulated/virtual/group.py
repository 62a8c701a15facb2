"""A consumer group of schedulers as Kafka's coordinator runs it: members, heartbeats, sessions, generations.

At every change each living member gives up all it has before anything is given out anew; who stays silent for a
session is out, without knowing it: paused, it wakes as a zombie and learns of it with its next heartbeat.
"""

from dataclasses import dataclass, field
from random import Random

from aiokafka import TopicPartition

from tests.simulated.virtual.clock import VirtualLoop

Share = tuple[set[TopicPartition], set[TopicPartition]]
"""What a member owns, and what it keeps a warm copy of."""


@dataclass
class Group:
    """Everything happens when a member beats. `session` is seconds."""

    loop: VirtualLoop
    chance: Random
    partitions: list[TopicPartition]
    session: float
    generation: int = 0
    shares: dict[str, Share] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)
    _ready: set[str] = field(default_factory=set)
    _settled: bool = True

    def join(self, member: str) -> None:
        """A new member: everyone gives up what he has."""
        self._seen[member] = self.loop.now
        self.unsettle()

    def unsettle(self) -> None:
        """Begin a rebalance."""
        self._settled = False
        self._ready.clear()
        self.generation += 1

    def beat(self, member: str) -> int | None:
        """A member lives; the generation that it is to know, or none: it is none of ours any more."""
        if member not in self._seen:
            return None
        self._seen[member] = self.loop.now
        if gone := [m for m, seen in self._seen.items() if seen + self.session < self.loop.now]:
            for one in gone:
                del self._seen[one]
            self.unsettle()
        return self.generation

    def ready(self, member: str, generation: int) -> None:
        """A member has given up what it had."""
        if generation == self.generation:
            self._ready.add(member)
            if not self._settled and self._ready >= set(self._seen):
                self._share()

    def share(self, member: str, generation: int) -> Share | None:
        """What a member gets in this generation, once that is settled."""
        return self.shares.get(member) if self._settled and generation == self.generation else None

    def _share(self) -> None:
        self._settled = True
        members = sorted(self._seen)
        self.shares = {member: (set(), set()) for member in members}
        for tp in self.partitions:
            owner = self.chance.choice(members)
            self.shares[owner][0].add(tp)
            for other in members:
                if other != owner and self.chance.random() < 0.5:  # warm copies come late or not at all
                    self.shares[other][1].add(tp)
