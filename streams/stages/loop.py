"""One loop a partition: take what has arrived, decide, send, make durable. No partition waits for another.

The order that makes a kill at any moment harmless: outputs are acknowledged by the broker, then the changelog with the
marker, then RocksDB, then the outputs that may only leave after. So outputs can be repeated but never lost, and since
the log's own timestamps decide, a repeated decision is the same decision. For the same reason the table need not be
written with each batch: it says from where on the log is to be read again, which may be a moment ago.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pipelines.ids import to_text
from streams.stages.incoming import WEIGHT_LIMIT, BugError, Incoming, Logic, PoisonError, Send, letter
from streams.state.partition import Change, Changes, Partition
from streams.topics import GATHER

BATCH_BYTES = 700_000
"""Input bytes after which a batch ends."""

GATHER_ABOVE = 4
"""Messages of a batch: so few are no sign of many more, and the next one is taken at once, as is what waits already."""

PART = b"m"
"""Key of the record that says how far the message behind the marker is done: its offset and a number of commands (all
of them: only giving away what is lent is left)."""

SAVE_AFTER = 0.05
"""Seconds for which the oldest decision may be in memory alone: what changes again meanwhile is written once."""

QUEUE_BYTES = 16_000_000
"""Input bytes that may wait for a partition before no more of it is read."""

log = structlog.get_logger("headrace.stage")
Sender = Callable[[list[Send]], Awaitable[None]]


class GapError(Exception):
    """The log has lost messages between the marker and what arrived."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as its loops need it."""

    name: str
    topic: str
    dead_letters: str
    logic: Callable[[Partition], Logic]


class Loop:
    """Runs a stage over one partition, until it is stopped or fails."""

    def __init__(self, stage: Stage, partition: Partition, send: Sender) -> None:
        self._stage, self._partition, self._send = stage, partition, send
        self._logic = stage.logic(partition)
        self._queue: deque[Incoming] = deque()
        self._next = partition.marker + 1
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._held: list[Callable[[], None]] = []
        self._unsaved: list[Incoming] = []
        self._save_at = 0.0
        self._late: list[Send] = []
        self._letters: list[Send] = []
        self._bugs: list[Send] = []
        self._skips: defaultdict[int, set[int | bytes]] = defaultdict(set)
        self._rest: tuple[Incoming, int] | None = None
        if part := partition.get(PART):
            self._skip_part(*map(int, part.split()))

    def put(self, messages: list[Incoming], accepted: Callable[[], None], end: int = 0) -> None:
        """Queue messages, and call `accepted` as soon as there is room for more. All before `end` has come by now."""
        for message in messages:
            if message.offset >= self._next:
                self._enqueue(message)
        self._next = max(self._next, end)
        self._held.append(accepted)
        self._accept()

    def near(self, message: Incoming) -> None:
        """Queue a message that was not read but written here, where it is the very next one and there is room."""
        if message.offset == self._next and self._bytes <= QUEUE_BYTES:
            self._enqueue(message)

    def _enqueue(self, message: Incoming) -> None:
        self._queue.append(message)
        self._next = message.offset + 1
        self._bytes += len(message.value)
        self._arrived.set()

    async def run(self) -> None:
        """Work batch by batch, for ever. Raises what is no single message's fault."""
        if first := self._logic.first():
            await self._send(first)
        while True:
            await self._wait()
            count = await self._batch() if self._queue else 0
            if self._unsaved and self._must_save():
                await self._save()
            await self._pass_holes()
            if count > GATHER_ABOVE and not self._queue:
                await asyncio.sleep(GATHER)
            if due := self._logic.ring(_now()):
                await self._send(due)

    def _accept(self) -> None:
        if self._bytes <= QUEUE_BYTES:
            for accepted in self._held:
                accepted()
            self._held.clear()

    async def _wait(self) -> None:
        if self._queue:
            await asyncio.sleep(0)
            return
        self._arrived.clear()
        pause = (self._logic.next_timer(_now()) - _now()) / 1000
        if self._unsaved:
            pause = min(pause, self._save_at - time.monotonic())
        try:
            async with asyncio.timeout(min(max(pause, 0.001), 1.0)):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def _batch(self) -> int:
        """Take, decide and send; how many messages."""
        taken = self._take()
        before, self._late = self._logic.outputs()  # nothing was left: what leaves late is saved before the next batch
        await self._send(before + self._letters + self._bugs)
        self._letters.clear()
        self._bugs.clear()
        return taken

    def _must_save(self) -> bool:
        """Whether it is time to write the table."""
        return self._cannot_wait() or time.monotonic() >= self._save_at

    def _cannot_wait(self) -> bool:
        """Whether it must be written before the next batch: for what leaves only then, or for its weight."""
        return bool(self._late or self._rest) or self._logic.weight() >= WEIGHT_LIMIT

    def _take(self) -> int:
        """Handle what has arrived, up to the limits of a batch. What is at or below the marker is done already."""
        count = size = 0
        while self._queue and size < BATCH_BYTES and self._logic.weight() < WEIGHT_LIMIT and not self._rest:
            message = self._queue.popleft()
            size += len(message.value)
            marker = self._unsaved[-1].offset if self._unsaved else self._partition.marker
            if message.offset > marker:
                self._check(message, marker)
                if not self._unsaved:
                    self._save_at = time.monotonic() + SAVE_AFTER
                self._unsaved.append(message)
                self._handle()
                count += 1
        self._bytes -= size
        self._accept()
        return count

    def _handle(self) -> None:
        """Handle the last message; where our own code fails on a command, go back and leave that one out."""
        todo = self._unsaved[-1:]
        while todo:
            try:
                for place, message in enumerate(todo, 1):
                    rest = self._handle_one(message)
                    if rest is not None:
                        self._rest = message, rest
                        self._put_back(todo[place:])
                        break
                todo = []
            except BugError as bug:
                if bug.about in self._skips[message.offset]:
                    raise  # to leave it out, or to let it fail, was no help
                log.exception("our own code failed; it becomes a dead letter", stage=self._stage.name, about=bug.about)
                self._skips[message.offset].add(bug.about)
                self._logic = self._stage.logic(self._partition)
                self._bugs.append(self._letter(f"our own code failed on it: {bug}", message, bug.about))
                self._letters.clear()
                todo = list(self._unsaved)

    def _put_back(self, later: list[Incoming]) -> None:
        """Leave messages for after the one that is left off, which has to be saved before."""
        del self._unsaved[len(self._unsaved) - len(later) :]
        self._queue.extendleft(reversed(later))
        self._bytes += sum(len(message.value) for message in later)

    def _handle_one(self, message: Incoming) -> int | None:
        try:
            return self._logic.handle(message, self._skips.get(message.offset, ()))
        except PoisonError as error:
            log.warning("a message was refused", stage=self._stage.name, offset=message.offset, reason=str(error))
            self._letters.append(self._letter(str(error), message))
            return None

    async def _save(self) -> None:
        """Write what was decided, and the last message of which all is done."""
        marker = self._unsaved[-1].offset - (1 if self._rest else 0)
        changes = self._logic.changes()
        await self._partition.commit(changes._replace(records=changes.records + self._part()), marker)
        self._logic.saved()
        late, self._late = self._late, []
        if late:
            await self._send(late)
        self._unsaved.clear()
        for offset in [offset for offset in self._skips if offset <= marker]:
            del self._skips[offset]
        self._go_on()

    async def _pass_holes(self) -> None:
        """Where what came last were no messages, go on behind them: later they are gone, and none was lost."""
        if not (self._queue or self._unsaved) and self._next > self._partition.marker + 1:
            await self._partition.commit(Changes([], []), self._next - 1)

    def _part(self) -> list[Change]:
        """What the commit says of a message that is done in parts, so that a restart goes on in the middle of it."""
        if self._rest:
            message, index = self._rest
            return [(PART, b"%d %d" % (message.offset, index))]
        return [(PART, None)] if self._partition.get(PART) else []

    def _go_on(self) -> None:
        """The rest of a message is the first that the next batch takes."""
        if self._rest:
            (message, index), self._rest = self._rest, None
            self._queue.appendleft(message)
            self._bytes += len(message.value)
            self._skip_part(message.offset, index)

    def _skip_part(self, offset: int, index: int) -> None:
        self._skips[offset].update(range(index))

    def _check(self, message: Incoming, marker: int) -> None:
        if self._logic.strict and message.offset != marker + 1:
            raise GapError(
                f"{self._stage.topic}-{self._partition.number}: offset {message.offset} follows {marker}; "
                f"{message.offset - marker - 1} messages are missing"
            )

    def _letter(self, reason: str, message: Incoming, about: int | bytes = 0) -> Send:
        where: dict[str, Any] = {"index": about} if isinstance(about, int) else {"execution": to_text(about)}
        refused = letter(reason, self._stage.name, (self._stage.topic, self._partition.number), message, **where)
        return Send(self._stage.dead_letters, 0, msgspec.json.encode(refused))


def _now() -> int:
    return round(time.time() * 1000)
