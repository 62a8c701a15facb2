"""A trusted producer: checks events in process and writes envelopes to headrace.tasks, past the submit topic."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
import uuid_utils
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Raw

from pipelines.events import AnyEvent, SubmitEvent
from pipelines.ids import ExecutionId, execution_id, home_of
from streams.backpressure import Backpressure, Word
from streams.engine.commands import Execute, Order
from streams.engine.records import TaskDef
from streams.envelope import pack
from streams.settings import Settings
from streams.settings import settings as of_this_process
from streams.topics import ENVELOPE_BYTES, GATHER, MESSAGE_LIMIT, Topics, must_fit
from streams.translate import submission, to_command

Placed = tuple[int, Order]
"""A command and its home partition."""

NOT_STARTED = "the client is not started; use `async with KafkaClient()`"

AHEAD = 1000
"""Milliseconds by which moments of orders may be ahead of the clock, where one has several; more: it was set back."""

CHUNK = 1000
"""Tasks made in one go; other coroutines run in between."""

UNREAD = 3000
"""Tasks of a client that may stand unread while it sends more: with the next chunk, as many as a worker takes ahead."""

COMMAND_LIMIT = MESSAGE_LIMIT - 64 * 1024
"""Bytes of a command; the rest is for the message around it."""

_encode = msgspec.msgpack.Encoder().encode


def fresh_run() -> str:
    """A name for a run that nobody named: a UUID that sorts by time."""
    return str(uuid_utils.uuid7())


class CommandTooLargeError(ValueError):
    """A command that fits into no message of Kafka."""


class KafkaClient:
    """Sends commands that are durable when the call returns. Use as `async with KafkaClient() as client`."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Of a system with these settings; none: those of this process. Raises SettingsError where they are wrong."""
        self._settings = settings = settings or of_this_process()
        self._topics = Topics.under(settings.namespace)
        self._producer: AIOKafkaProducer | None = None
        self._gathered: dict[int, list[Raw]] = {}  # by home, encoded
        self._leaving: asyncio.Task[dict[int, list[Word]]] | None = None  # takes what is gathered with it
        self._under_way: set[asyncio.Task[Any]] = set()
        self._leave_at = 0.0
        self._ordered_at = 0
        self._pressure = Backpressure(settings)

    async def start(self) -> None:
        """Connect.

        Raises aiokafka's KafkaError when no broker answers or none has the topic of tasks, SettingsError where that has
        other partitions than the settings say.
        """
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            acks="all",
            linger_ms=0,
            max_batch_size=2 * ENVELOPE_BYTES,
            max_request_size=MESSAGE_LIMIT,
            request_timeout_ms=15_000,
        )
        try:
            await producer.start()
            must_fit(self._settings, {self._topics.tasks: len(await producer.partitions_for(self._topics.tasks))})
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is left and disconnect."""
        producer, self._producer = self._producer, None
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._pressure.stop()
        if producer is not None:
            await producer.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def translate(self, events: Iterable[AnyEvent]) -> list[Placed]:
        """The commands that carry out `events`, of a moment of their own, by which their refusals are known.

        Raises ValueError at the first that cannot be carried out.
        """
        now, partitions = round(time.time() * 1000), self._settings.task_partitions
        at = self._ordered_at = self._ordered_at + 1 if 0 <= self._ordered_at - now < AHEAD else now
        return [to_command(event, at, partitions, fresh_run()) for event in events]

    async def send(self, commands: Iterable[Placed]) -> None:
        """Write commands to their homes; returns when the brokers have them all.

        Raises CommandTooLargeError, and then nothing is written; aiokafka's KafkaError, and then some may be.
        """
        await _all(itertools.chain.from_iterable((await self._put(commands)).values()))

    async def say(self, key: bytes, value: bytes) -> None:
        """Write a word to the status topic (see streams.pulse)."""
        if self._producer is None:
            raise RuntimeError(NOT_STARTED)
        await self._producer.send_and_wait(self._topics.status, value, key=key, partition=0)

    async def submit_many(
        self, tasks: Iterable[SubmitEvent | TaskDef], run: str = "", *, unread: int | None = UNREAD
    ) -> list[ExecutionId]:
        """Create and execute many tasks; a `TaskDef` (already trusted) in `run`, an event in the run it names.

        Returns their ids, in order, when all are acknowledged. Meant for tens of thousands a second. While more than
        `unread` of a client's tasks have not been read by the schedulers, more of them wait (none: never), so that
        nobody's results and nothing critical has to wait behind them; not a single task, and not where a scheduler
        does not get on for two seconds. Raises what `send` raises.
        """
        ids: list[ExecutionId] = []
        acknowledged: list[Word] = []
        rest = iter(tasks)
        while chunk := [self._submission(task, run) for task in itertools.islice(rest, CHUNK)]:
            ids += [ExecutionId(command.id) for _, command in chunk]
            if unread is None or len(chunk) == 1:
                left = await self._put(chunk)
            else:
                left = await self._in_bulk(chunk, unread)
            acknowledged += itertools.chain.from_iterable(left.values())
        await _all(acknowledged)
        return ids

    async def _in_bulk(self, chunk: Sequence[Placed], unread: int) -> dict[int, list[Word]]:
        async with self._pressure.room(Counter(home for home, _ in chunk), unread) as tell:
            left = await self._put(chunk)
            tell({home: words[-1] for home, words in left.items()})
        return left

    async def _put(self, commands: Iterable[Placed]) -> dict[int, list[Word]]:
        """Hand commands to the producer, with what others put; what to await for the brokers' word on their homes."""
        if self._producer is None:
            raise RuntimeError(NOT_STARTED)
        homes = _by_home(commands)  # nothing of it is sent where making one fails
        for home, encoded in homes.items():
            self._gathered.setdefault(home, []).extend(encoded)
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(self._producer))
            self._under_way.add(self._leaving)
            self._leaving.add_done_callback(self._under_way.discard)
        left = await asyncio.shield(self._leaving)
        return {home: left[home] for home in homes}

    async def _leave(self, producer: AIOKafkaProducer) -> dict[int, list[Word]]:
        """Wait until it is time, and then until the producer has room."""
        await asyncio.sleep(self._leave_at - time.monotonic())
        self._leave_at = time.monotonic() + GATHER
        gathered, self._gathered, self._leaving = self._gathered, {}, None
        return {
            home: [await self._send(producer, home, envelope) for envelope in pack(encoded)]
            for home, encoded in gathered.items()
        }

    async def _send(self, producer: AIOKafkaProducer, home: int, envelope: bytes) -> Word:
        """What to await for the brokers' word; where the producer does not take it, that fails, and nobody else's."""
        try:
            word: Word = await producer.send(self._topics.tasks, envelope, partition=home)
        except KafkaError as error:
            word = asyncio.get_running_loop().create_future()
            word.set_exception(error)
        return word

    def _submission(self, task: SubmitEvent | TaskDef, run: str) -> tuple[int, Execute]:
        at, partitions = round(time.time() * 1000), self._settings.task_partitions
        if isinstance(task, SubmitEvent):
            return submission(task, at, partitions)
        which = execution_id(task.id, run)
        return home_of(which, partitions), Execute(which, task.id, run, at, task_def=task)


def _by_home(commands: Iterable[Placed]) -> dict[int, list[Raw]]:
    """Commands, encoded for their partitions; on each partition they keep their order. Raises CommandTooLargeError."""
    homes: dict[int, list[Raw]] = {}
    for number, (home, command) in enumerate(commands, 1):
        encoded = _encode(command)
        if len(encoded) > COMMAND_LIMIT:
            what = f"command {number} ({type(command).__name__})"
            raise CommandTooLargeError(f"{what} takes {len(encoded):,} bytes; the limit is {COMMAND_LIMIT:,}")
        homes.setdefault(home, []).append(Raw(encoded))
    return homes


async def _all(acknowledged: Iterable[Word]) -> None:
    """Await what others await too: whoever gives up takes it from nobody."""
    await asyncio.gather(*map(asyncio.shield, acknowledged))
