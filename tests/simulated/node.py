"""One stage over one partition, run twice: once as it goes, once restarted after every batch. And again, at random."""

from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any
from unittest.mock import patch

from streams.engine import step
from streams.engine.apply import apply
from streams.engine.events import Event
from streams.engine.view import Table
from streams.stages.incoming import Incoming, Logic, Send
from streams.stages.loop import Loop, Stage
from streams.state.memory import MemoryPartition
from streams.state.partition import Partition

ALL = (b"!", b"\xff", 1_000_000)
"""A scan of a whole table."""

KILLED, SAVED = 0.03, 0.15
"""How often a replay is killed, and how often it is saved, per batch."""

Feed = list[list[Send]]
"""What one batch sends: before its commit, and after it."""


class CrashedError(Exception):
    """The process died here."""


class Logs:
    """The topics. `now` is the broker's clock in epoch milliseconds, and it never goes back.

    The clock of those who read and write here is `ahead` milliseconds ahead of it.
    """

    def __init__(self) -> None:
        self.now = 1_700_000_000_000
        self.ahead = 0
        self.messages: defaultdict[tuple[str, int], list[Incoming]] = defaultdict(list)

    def send(self, sends: list[Send]) -> None:
        """Append messages, stamped with the log's own time."""
        for one in sends:
            log = self.messages[one.topic, one.partition]
            log.append(Incoming(len(log), self.now, one.value))


def run(work: Coroutine[Any, Any, object]) -> None:
    """Run what needs no event loop, because nothing in memory ever waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("something waited")


def apply_twice(table: Table, event: Event) -> None:
    """What a repeated event does."""
    apply(table, event)
    apply(table, event)


def content(partition: Partition) -> list[tuple[bytes, bytes]]:
    """Everything in a table."""
    return partition.scan(*ALL)


class Node:
    """Feeds a stage from its log. Its cold twin restarts after each batch, applies all twice, and must not differ."""

    def __init__(self, logs: Logs, stage: Stage, number: int) -> None:
        self._logs, self._stage = logs, stage
        self.number = number
        self.warm, self.cold = MemoryPartition(number), MemoryPartition(number)
        self._sent: Feed = []
        self._die_at = ""
        self._loop = Loop(stage, self.warm, self._deliver)

    @property
    def logic(self) -> Logic:
        """The stage's logic as it goes."""
        return self._loop._logic

    def pending(self) -> list[Incoming]:
        """What has not been handled yet."""
        return self._logs.messages[self._stage.topic, self.number][self.warm.marker + 1 :]

    def batch(self, limit: int = 1000) -> bool:
        """Handle up to `limit` messages as one batch, warm and cold; whether there were any."""
        messages = self.pending()[:limit]
        if messages:
            self._sent = []
            feed(self._loop, messages)
            assert self._cold_batch(messages) == self._sent
            assert content(self.warm) == content(self.cold)
            self.ring()
        return bool(messages)

    def crash(self, limit: int, die_at: str) -> None:
        """Die in the middle of a batch, and start again. `die_at`: sending, committing, or sending late."""
        messages = self.pending()[:limit]
        self._die_at, self._sent = die_at, []
        with suppress(CrashedError):
            feed(self._loop, messages)
        sent, self._die_at = self._sent, ""
        self._loop = Loop(self._stage, self.warm, self._deliver)
        self._logs.send(self._loop._logic.first())
        if self.warm.marker == self.cold.marker and messages:
            self.batch(limit)
            assert self._sent[: len(sent)] == sent, "what is repeated after a crash is the same"
        elif messages:
            assert self._cold_batch(messages)[0] == sent[0]

    def ring(self) -> None:
        """Let the timers that are due write to the log."""
        self._logs.send(self.logic.ring(self._logs.now + self._logs.ahead))

    def replay(self, limit: int) -> MemoryPartition:
        """A table made anew from the whole input, in batches of up to `limit`, saved seldom and killed now and then.

        A kill loses what was not saved. The input's length decides all of it, so that hypothesis meets it again.
        """
        fresh = MemoryPartition(self.number)
        messages = self._logs.messages[self._stage.topic, self.number][: self.warm.marker + 1]
        chance = Random(len(messages))
        while fresh.marker < self.warm.marker:
            left = messages[fresh.marker + 1 :]
            loop = Loop(self._stage, fresh, _nowhere)
            loop._logic.first()
            while left and chance.random() > KILLED:
                count = chance.randint(1, limit)
                some, left = left[:count], left[count:]
                feed(loop, some, save=not left or chance.random() < SAVED)
                loop._logic.ring(some[-1].at)
        return fresh

    def _cold_batch(self, messages: list[Incoming]) -> Feed:
        sent: Feed = []

        async def collect(sends: list[Send]) -> None:
            sent.append(sends)

        with patch.object(step, "apply", apply_twice):
            feed(Loop(self._stage, self.cold, collect), messages)
        return sent

    async def _deliver(self, sends: list[Send]) -> None:
        if self._die_at == ("sending late" if self._sent else "sending"):
            raise CrashedError
        self._sent.append(sends)
        self._logs.send(sends)
        if self._die_at == "committing":
            raise CrashedError


async def _nowhere(_sends: list[Send]) -> None:
    return


def feed(loop: Loop, messages: list[Incoming], *, save: bool = True) -> None:
    """Put messages into a loop, and let it handle them all, batch by batch."""
    loop.put(messages, bool)
    while loop._queue:
        run(handle(loop, save=save))


async def handle(loop: Loop, *, save: bool = True) -> int:
    """One batch, and a save if one is wanted or cannot wait; how many messages."""
    count = await loop._batch()
    if loop._unsaved and (save or loop._cannot_wait()):
        await loop._save()
    return count


def stage(name: str, topic: str, logic: Callable[[Partition], Logic]) -> Stage:
    """A stage whose dead letters go where nobody reads."""
    return Stage(name, topic, "dead", logic)
