"""Kafka's semantics in memory: append-only partitions, their time, fencing, and a network that is slow and unreliable.

What a test may rely on, because Kafka keeps it: an appended batch is whole, its offsets follow each other, its time
(LogAppendTime) never goes back; an idempotent producer's repetition is recognised; a producer id whose epoch was
raised is refused, and only then. What it may not rely on: when anything arrives, whether an acknowledgement does, and
that a producer that is not idempotent appends once.
"""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata

from tests.simulated.virtual.clock import CURRENT, EPOCH, Process, VirtualLoop

FAST = 0.0003, 0.002
"""Seconds that a message needs one way, least and most."""

AGAIN = 0.1
"""Seconds until a producer repeats what was not acknowledged."""

OUTSIDE = contextvars.Context()
"""What is on its way belongs to no process."""


class Record(NamedTuple):
    """One message, as aiokafka's ConsumerRecord has it. `timestamp` is epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Request = list[tuple["list[Message]", "asyncio.Future[RecordMetadata]", "tuple[str, int] | None"]]
"""Batches that travel together: each with its future, and the producer id and epoch by which it may be refused."""

Message = tuple[bytes | None, bytes | None, int]
"""Key, value and the producer's timestamp (0: the broker's)."""


@dataclass
class Trouble:
    """What is wrong with the network at present. Chances are between 0 and 1."""

    slow: float = 0.0  # of a message to need a hundred times as long
    unacknowledged: float = 0.0  # of an acknowledgement to get lost
    down_until: float = 0.0
    hooks: list[Callable[[Process, bool], None]] = field(default_factory=list)
    """Called when something of a process is appended, and whether that was a batch of a changelog."""


@dataclass
class Broker:
    """All topics. `digest` is the trace: everything that was ever appended, and when."""

    loop: VirtualLoop
    chance: Random
    partitions: dict[str, int] = field(default_factory=dict)
    logs: defaultdict[TopicPartition, list[Record]] = field(default_factory=lambda: defaultdict(list))
    epochs: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    offsets: dict[tuple[str, TopicPartition], tuple[int, str]] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)
    _waiting: defaultdict[TopicPartition, list[asyncio.Future[None]]] = field(default_factory=lambda: defaultdict(list))

    def now(self) -> int:
        """The broker's clock, epoch milliseconds."""
        return round((EPOCH + self.loop.now) * 1000)

    def delay(self) -> float:
        """Seconds until something that is sent now arrives."""
        seconds = self.chance.uniform(*FAST)
        if self.trouble.slow and self.chance.random() < self.trouble.slow:
            seconds *= 100
        return max(self.trouble.down_until - self.loop.now, 0) + seconds

    def append(self, tp: TopicPartition, messages: list[Message]) -> int:
        """Append a batch; the offset of its first message."""
        log = self.logs[tp]
        first, now = len(log), self.now()
        log.extend(Record(*tp, first + n, at or now, key, value) for n, (key, value, at) in enumerate(messages))
        for waiting in self._waiting.pop(tp, ()):
            if not waiting.done():
                waiting.set_result(None)
        return first

    async def appended(self, tps: list[TopicPartition]) -> None:
        """Wait until something is appended to one of these."""
        waiting = self.loop.create_future()
        for tp in tps:
            self._waiting[tp].append(waiting)
        await waiting

    def trace(self, *without: str) -> str:
        """A hash of all that was appended to all topics but for these."""
        digest = blake2b(digest_size=8)
        for tp in sorted(self.logs):
            if tp.topic not in without:
                for record in self.logs[tp]:
                    digest.update(repr(record).encode())
        return digest.hexdigest()


class Lane:
    """A producer's way to one partition: one request at a time, which takes all that waits, in order."""

    def __init__(self, broker: Broker, tp: TopicPartition, *, idempotent: bool) -> None:
        self._broker, self._tp, self._idempotent = broker, tp, idempotent
        self._inside = contextvars.copy_context()
        self._waiting: Request = []
        self._busy = False

    def put(self, messages: list[Message], fence: tuple[str, int] | None = None) -> asyncio.Future[RecordMetadata]:
        """Send these as one batch; the future has the first one's offset once the broker has said so."""
        done = self._broker.loop.create_future()
        self._waiting.append((messages, done, fence))
        self._go()
        return done

    def _go(self) -> None:
        """In the process: what has not left it dies with it."""
        if self._waiting and not self._busy:
            self._busy = True
            self._broker.loop.call_soon(self._depart, context=self._inside)

    def _depart(self) -> None:
        request, self._waiting = self._waiting, []
        # whatever happens to the process now, this arrives
        self._broker.loop.call_later(self._broker.delay(), self._arrive, request, context=OUTSIDE)

    def _arrive(self, request: Request) -> None:
        broker = self._broker
        if broker.trouble.down_until > broker.loop.now:
            broker.loop.call_later(broker.delay(), self._arrive, request, context=OUTSIDE)
            return
        answers = [self._append(messages, fence) for messages, _, fence in request]
        if process := self._inside.get(CURRENT):
            for hook in broker.trouble.hooks:
                hook(process, request[0][2] is not None)
        if broker.chance.random() < broker.trouble.unacknowledged:
            if self._idempotent:  # repeated, and recognised
                broker.loop.call_later(AGAIN + broker.delay(), self._answer, request, answers, context=OUTSIDE)
            else:
                broker.loop.call_later(AGAIN + broker.delay(), self._arrive, request, context=OUTSIDE)
            return
        broker.loop.call_later(broker.delay(), self._answer, request, answers, context=OUTSIDE)

    def _append(self, messages: list[Message], fence: tuple[str, int] | None) -> RecordMetadata | Exception:
        if fence and self._broker.epochs[fence[0]] > fence[1]:
            return ProducerFenced()
        first = self._broker.append(self._tp, messages)
        return RecordMetadata(*self._tp, self._tp, first, self._broker.now(), 1, 0)

    def _answer(self, request: Request, answers: list[RecordMetadata | Exception]) -> None:
        for (_, done, _), answer in zip(request, answers, strict=True):
            if done.done():
                continue
            if isinstance(answer, Exception):
                done.set_exception(answer)
            else:
                done.set_result(answer)
        self._busy = False
        self._go()
