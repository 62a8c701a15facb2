"""A trusted producer: checks events in process and writes envelopes to headrace.tasks, past the submit topic."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from types import TracebackType
from typing import Any, Self

import msgspec
import uuid_utils
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Raw

from pipelines.command import command as typed
from pipelines.events import AnyEvent, SubmitEvent
from pipelines.ids import ExecutionId, execution_id, home_of
from streams.acknowledged import Acknowledged, Word, Words, all_of, has_failed, so_far
from streams.aiokafka_fixes import asking_another_soon, look_seldom, say_seldom, stop_soon
from streams.backpressure import Backpressure
from streams.engine.commands import Execute, Order
from streams.engine.records import TaskDef
from streams.envelope import pack
from streams.hearing import ANSWERED, BrokerError, Hearing
from streams.kafka_there import listens
from streams.settings import Settings
from streams.settings import settings as of_this_process
from streams.topics import ENVELOPE_BYTES, GATHER, MESSAGE_LIMIT, Topics, must_fit
from streams.translate import submission, to_command

Placed = tuple[int, Order]
"""A command and its home partition."""

NOT_STARTED = "the client is not started, or stopped already; use `async with KafkaClient()`"

NO_EVENTS = "tasks are given as several events, as [SubmitEvent(task={{…}}), …]; a {} is none"

AHEAD = 1000
"""Milliseconds by which moments of orders may be ahead of the clock, where one has several; more: it was set back."""

CHUNK = 1000
"""Tasks made in one go; other coroutines run in between."""

CHUNK_BYTES = 8_000_000
"""Bytes of their calls and payloads from which on fewer are, so that a slow line has acknowledged them in time."""

UNREAD = 3000
"""Tasks of a client that may stand unread while it sends more: with the next chunk, as many as a worker takes ahead."""

WITHIN = 30.0
"""Seconds that brokers have for acknowledging: one that is started again is back by then."""

PARTING = 2.0
"""The same when the client stops: those who called it have heard by then, unless they were interrupted."""

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

    def __init__(self, settings: Settings | None = None, *, within: float = WITHIN) -> None:
        """Of a system with these settings; none: those of this process. Raises SettingsError where they are wrong.

        `within`: seconds that brokers have for acknowledging what was sent; meanwhile it is tried again and again.
        """
        self._settings = settings = settings or of_this_process()
        self._within = within
        self._hearing = Hearing(settings.kafka, within)
        self._topics = Topics.under(settings.namespace)
        self._producer: AIOKafkaProducer | None = None
        self._gathered: dict[int, list[Raw]] = {}  # by home, encoded
        self._leaving: asyncio.Task[Words] | None = None  # takes what is gathered with it
        self._under_way: set[asyncio.Task[Any]] = set()
        self._leave_at = 0.0
        self._ordered_at = 0
        self._pressure = Backpressure(settings)

    async def start(self) -> None:
        """Connect.

        Raises BrokerError when no broker answers or has the topic of tasks, SettingsError where that has other
        partitions than the settings say.
        """
        say_seldom()
        if not await listens(self._settings.kafka):
            raise BrokerError(f"{self._hearing.brokers} does not answer; `{typed('up')}` starts one on this machine")
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            acks="all",
            linger_ms=0,
            max_batch_size=2 * ENVELOPE_BYTES,
            max_request_size=MESSAGE_LIMIT,
            request_timeout_ms=round(self._within * 1000),
        )
        look_seldom(producer.client)
        try:
            must_fit(self._settings, {self._topics.tasks: await self._partitions(producer)})
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def _partitions(self, producer: AIOKafkaProducer) -> int:
        """Of the topic of tasks, once the producer has started."""
        async with self._hearing.wait(ANSWERED):
            with asking_another_soon(producer) if "," in self._settings.kafka else nullcontext():
                await producer.start()
            found = await producer.client.fetch_all_metadata()
        if have := found.partitions_for_topic(self._topics.tasks):
            return len(have)
        missing = f"{self._hearing.brokers} has no topic {self._topics.tasks!r} (HEADRACE_NAMESPACE)"
        raise BrokerError(f"{missing}; `{typed('topics')}` makes it")

    async def stop(self) -> None:
        """Disconnect, once what is on its way is acknowledged, or soon.

        Calls that wait for the brokers' word raise BrokerError then, and those that have more to send RuntimeError.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait([asyncio.create_task(self._leave_all(producer))], timeout=PARTING)
        finally:
            await asyncio.gather(self._pressure.stop(), stop_soon(producer))

    async def _leave_all(self, producer: AIOKafkaProducer) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await producer.flush()

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

        Raises CommandTooLargeError, and then nothing is written; BrokerError, and then some may be.
        """
        async with self._hearing.wait():
            words = await self._put(commands)
            await all_of(itertools.chain.from_iterable(words.values()))

    async def say(self, key: bytes, value: bytes | None) -> None:
        """Write a word to the status topic (see streams.pulse); none takes the last one away."""
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
        does not get on for two seconds.

        Raises BrokerError, CommandTooLargeError, TypeError or ValueError where a task cannot be made, and what `tasks`
        itself raises. The error's notes say how many are durable; to submit the same again executes nothing twice.
        """
        if isinstance(tasks, SubmitEvent | Mapping):
            raise TypeError(NO_EVENTS.format(type(tasks).__name__))
        ids: list[ExecutionId] = []
        sent = Acknowledged()
        made = self._made(tasks, run)
        async with self._counting(sent):
            for chunk in _chunks(made):
                homes = Counter(home for home, _ in chunk)
                if unread is None or len(chunk) == 1:
                    async with self._hearing.wait():
                        words = await self._put(chunk, len(ids))
                else:
                    words = await self._in_bulk(chunk, len(ids), homes, unread)
                ids += [ExecutionId(command.id) for _, command in chunk]
                sent.add(homes, words)
                if failed := sent.failed():
                    raise self._hearing.broken(failed) from failed
            async with self._hearing.wait():
                await sent.all()
        return ids

    @asynccontextmanager
    async def _counting(self, sent: Acknowledged) -> AsyncIterator[None]:
        """An error says how many are durable: of what is on its way too, where the brokers are not what is wrong."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, BrokerError):
                with suppress(BrokerError):
                    async with self._hearing.wait():
                        await sent.settle()
            error.add_note(so_far(sent.durable()))
            raise

    def _made(self, tasks: Iterable[SubmitEvent | TaskDef], run: str) -> Iterator[tuple[int, Execute]]:
        """Their commands. An error in making one has a note that says which."""
        count = 0
        try:
            for task in tasks:
                yield self._submission(task, run)
                count += 1
        except Exception as error:
            error.add_note(f"It was task {count + 1:,} of this call.")
            raise

    async def _in_bulk(self, chunk: Sequence[Placed], before: int, homes: Mapping[int, int], unread: int) -> Words:
        async with self._pressure.room(homes, unread) as tell, self._hearing.wait():
            words = await self._put(chunk, before)
            tell({home: of_it[-1] for home, of_it in words.items()})
        return words

    async def _put(self, commands: Iterable[Placed], before: int = 0) -> Words:
        """Hand commands to the producer, with what others put; what to await for the brokers' word on their homes.

        `before`: how many went before these, for an error that counts them.
        """
        if self._producer is None:
            raise RuntimeError(NOT_STARTED)
        homes = _by_home(commands, before)  # nothing of it is sent where making one fails
        for home, encoded in homes.items():
            self._gathered.setdefault(home, []).extend(encoded)
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(self._producer))
            self._under_way.add(self._leaving)
            self._leaving.add_done_callback(self._under_way.discard)
        left = await asyncio.shield(self._leaving)
        return {home: left[home] for home in homes}

    async def _leave(self, producer: AIOKafkaProducer) -> Words:
        """Wait until it is time, and then until the producer has room."""
        await asyncio.sleep(self._leave_at - time.monotonic())
        self._leave_at = time.monotonic() + GATHER
        gathered, self._gathered, self._leaving = self._gathered, {}, None
        sent = await asyncio.gather(*(self._send(producer, home, encoded) for home, encoded in gathered.items()))
        return dict(zip(gathered, sent, strict=True))

    async def _send(self, producer: AIOKafkaProducer, home: int, encoded: Sequence[Raw]) -> list[Word]:
        """What to await for the brokers' word on all of it; where an envelope has failed, no more are sent."""
        words: list[Word] = []
        for envelope in pack(encoded):
            try:
                word: Word = await producer.send(self._topics.tasks, envelope, partition=home)
            except KafkaError as error:  # nobody else's
                word = asyncio.get_running_loop().create_future()
                word.set_exception(error)
            self._hearing.expect(word)
            words.append(word)
            if any(has_failed(word) for word in words):
                break
        return words

    def _submission(self, task: SubmitEvent | TaskDef, run: str) -> tuple[int, Execute]:
        at, partitions = round(time.time() * 1000), self._settings.task_partitions
        if isinstance(task, SubmitEvent):
            return submission(task, at, partitions)
        if not isinstance(task, TaskDef):
            raise TypeError(NO_EVENTS.format(type(task).__name__))
        which = execution_id(task.id, run)
        return home_of(which, partitions), Execute(which, task.id, run, at, task_def=task)


def _chunks(made: Iterator[tuple[int, Execute]]) -> Iterator[list[tuple[int, Execute]]]:
    """What is handed over in one go."""
    chunk, size = list[tuple[int, Execute]](), 0
    for placed in made:
        chunk.append(placed)
        if task := placed[1].task_def:
            size += len(task.call) + len(task.payload)
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _by_home(commands: Iterable[Placed], before: int) -> dict[int, list[Raw]]:
    """Commands, encoded for their partitions; on each partition they keep their order. Raises CommandTooLargeError."""
    homes: dict[int, list[Raw]] = {}
    for number, (home, command) in enumerate(commands, before + 1):
        encoded = _encode(command)
        if len(encoded) > COMMAND_LIMIT:
            what = f"command {number:,} ({type(command).__name__})"
            raise CommandTooLargeError(f"{what} takes {len(encoded):,} bytes; the limit is {COMMAND_LIMIT:,}")
        homes.setdefault(home, []).append(Raw(encoded))
    return homes
