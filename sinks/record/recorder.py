"""RECORD: follows headrace.events and headrace.logs and writes them to ClickHouse.

A cycle: read what has come, turn it into rows, write each table's rows in one insert, then write how far that was. The
rows are made and written in a thread, so the event loop stays free. A cycle that ClickHouse does not take is repeated
until it does; meanwhile nothing more is read, so memory stays bounded and Kafka keeps the rest. Whatever is repeated,
after a crash or by a scheduler that took over, replaces itself (see the migrations): a plain query is right (I7).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.record import metrics
from sinks.record.batch import Batch
from sinks.record.client import ClickHouseAwayError, Names, is_embedded, open_client
from sinks.record.columns import UnreadableRowsError
from sinks.record.errors import shortened
from sinks.record.feed import IDLE_MS, LOOK_MS, Feed
from sinks.record.rollup import RollUp
from sinks.record.tables import Insert, Tables, inserts
from streams.collector import settle, undisturbed
from streams.engine.events import Refused
from streams.settings import Settings
from streams.topics import Topics

FLUSH_SECONDS = 0.25
"""The least time between two flushes: each costs ClickHouse some new files, whatever is in it."""

BUSY_SECONDS = 0.7
"""The same while much comes: fewer and larger flushes cost less, and rows are still there within a second."""

PATIENT_SECONDS = 5.0
"""The same beside the embedded engine, much or little: nobody can ask it without `fresh` being called first."""

OVER_SECONDS = 0.2
"""Seconds without a message after which a burst is over: nothing is gained by waiting for more."""

FRESH_PATIENCE = 2.0
"""Seconds that a question waits for what it should see."""

MUCH = 1_000_000
"""Bytes of messages in a flush."""

RETRY_FIRST = 0.1
RETRY_LONGEST = 10.0
"""Seconds until a flush that failed is repeated: doubled each time, up to the longest."""

COUNT_SECONDS = 5.0
"""The least time between two counts of the roll-up."""

COUNT_SHARE = 20
"""A count rests for this many times as long as it took."""

FIRST_BYTES = 2048

UNREADABLE = (msgspec.DecodeError, TypeError, UnreadableRowsError)
"""Errors that are a message's own."""

AWAY = (ClickHouseError, ClickHouseAwayError, OSError)
"""Errors that are ClickHouse's and not the batch's: the batch is written again."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Recorder:
    """Runs from `start` to `stop`. `flushed_at` (Unix time) and `trouble` (none: all is well) tell how it goes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics.under(settings.namespace)
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None
        self._pauses = (PATIENT_SECONDS,) * 2 if is_embedded(settings) else (FLUSH_SECONDS, BUSY_SECONDS)
        self._oldest = 0.0  # Unix time of the first message that is not in the tables; 0: none is known
        self._asked, self._written = asyncio.Event(), asyncio.Event()
        self.flushed_at = 0.0
        self.trouble: str | None = None

    async def start(self) -> None:
        """Begin to record; returns at once, whether ClickHouse answers or not. Raises aiokafka's KafkaError."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self._settings.kafka, acks="all", enable_idempotence=True)
        await self._producer.start()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Leave. What was read and not written yet is read again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._producer is not None:
            await self._producer.stop()
        self._task = self._producer = None

    async def failed(self) -> None:
        """Wait until recording ends by an error (a bug, a schema from the future, no Kafka) and raise that."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def fresh(self) -> None:
        """Return when everything is in the tables that came more than BUSY_SECONDS ago, or ClickHouse takes nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FRESH_PATIENCE):
                while not self.trouble and self._oldest and time.time() - self._oldest > BUSY_SECONDS:
                    self._asked.set()
                    await self._written.wait()

    async def _run(self) -> None:
        settle()
        tables = await self._until_taken(lambda: Tables.open(self._settings))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._record(tables))
                group.create_task(self._count_minutes())
        finally:
            tables.close()

    async def _record(self, tables: Tables) -> None:
        places = partial(self._until_taken, tables.places)
        topics = (self._topics.events, self._topics.logs)
        feed = Feed(self._settings, topics, places, alone=is_embedded(self._settings))
        try:
            await feed.start()
            next_flush = 0.0
            while True:
                messages = await self._batch(feed, next_flush)
                much = _bytes(messages) > MUCH
                next_flush = time.monotonic() + self._pauses[much]
                taken_at = time.time()
                await self._flush(tables, feed, messages)
                self._written_since(taken_at)
        finally:
            await feed.stop()

    async def _batch(self, feed: Feed, until: float) -> list[ConsumerRecord]:
        """What comes before `until`, before somebody asks, or before a burst is over; at least one message."""
        wait = LOOK_MS
        while not (messages := await feed.look(wait)):
            self._written_since(0.0)
            wait = IDLE_MS
        count = len(messages)
        self._oldest = min(message.timestamp for message in messages) / 1000
        last = time.monotonic()
        while not self._asked.is_set() and await feed.more(messages, until):
            if len(messages) > count:
                count, last = len(messages), time.monotonic()
            elif time.monotonic() - last > OVER_SECONDS and _bytes(messages) > MUCH:
                break
        return messages

    def _written_since(self, moment: float) -> None:
        """What came before `moment` is in the tables, and what came later is not known yet; 0: there is nothing."""
        self._oldest = moment
        self._asked.clear()
        self._written.set()
        self._written = asyncio.Event()

    async def _flush(self, tables: Tables, feed: Feed, messages: Sequence[ConsumerRecord]) -> None:
        begun = time.monotonic()
        for letter in await self._until_taken(lambda: write(tables, self._topics, messages)):
            await self._send(letter)
        places = {(m.topic, m.partition): m.offset + 1 for m in messages}
        await self._until_taken(lambda: tables.reached(places))
        self.flushed_at = time.time()
        metrics.FLUSHED.set(self.flushed_at)
        metrics.FLUSH_SECONDS.set(time.monotonic() - begun)
        for place, offset in places.items():
            metrics.LAG.labels(*place).set(feed.behind(place, offset))

    async def _send(self, letter: Refused) -> None:
        if self._producer is None:
            raise RuntimeError("the recorder is not started")
        metrics.LETTERS.inc()
        log.warning("a message cannot be recorded", topic=letter.topic, offset=letter.offset, reason=letter.reason)
        await self._producer.send_and_wait(self._topics.dead_letters, msgspec.json.encode(letter))

    async def _count_minutes(self) -> None:
        names = Names.under(self._settings.namespace)
        client = await self._until_taken(lambda: open_client(self._settings, max_threads=1))
        try:
            roll_up = RollUp(client, names)
            while True:
                begun = time.monotonic()
                await self._until_taken(roll_up.count)
                await asyncio.sleep(max(COUNT_SECONDS, COUNT_SHARE * (time.monotonic() - begun)))
        finally:
            client.close()

    async def _until_taken(self, call: Callable[[], T]) -> T:
        """What `call` returns, in a thread, as soon as ClickHouse takes it."""
        wait = RETRY_FIRST
        while True:
            try:
                answer = await asyncio.to_thread(call)
            except AWAY as error:
                self.trouble = shortened(str(error))
                metrics.FAILURES.inc()
                log.warning("ClickHouse does not take it; tries again", error=self.trouble, seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, RETRY_LONGEST)
            else:
                self.trouble = None
                return answer


def write(tables: Tables, topics: Topics, messages: Sequence[ConsumerRecord]) -> list[Refused]:
    """Put messages into the tables; returns dead letters for those that cannot be read, by us or by ClickHouse."""
    with undisturbed():  # all but the columns is gone when it ends: the collector walks over what is alive then
        rows, letters = _rows(topics, messages)
    try:
        tables.write(rows)
    except UnreadableRowsError as error:
        if len(messages) == 1:
            return [_letter(messages[0], str(error))]
        half = len(messages) // 2
        return write(tables, topics, messages[:half]) + write(tables, topics, messages[half:])
    for one in rows:
        metrics.ROWS.labels(one.table).inc(one.rows.num_rows)
    return letters


def _bytes(messages: Sequence[ConsumerRecord]) -> int:
    return sum(len(message.value or b"") for message in messages)


def _rows(topics: Topics, messages: Sequence[ConsumerRecord]) -> tuple[list[Insert], list[Refused]]:
    """Rows, and dead letters for messages that can become none: these are looked for only where there are some."""
    try:
        return _together(topics, messages), []
    except UNREADABLE:
        good, letters = [], []
    for message in messages:
        try:
            _together(topics, [message])
            good.append(message)
        except UNREADABLE as error:
            letters.append(_letter(message, str(error)))
    return _together(topics, good), letters


def _together(topics: Topics, messages: Sequence[ConsumerRecord]) -> list[Insert]:
    batch = Batch()
    for message in messages:
        batch.add(message.topic == topics.logs, message.partition, message.offset, message.value)
    return inserts(batch)


def _letter(message: ConsumerRecord, reason: str) -> Refused:
    return Refused(
        reason=f"it cannot be recorded: {shortened(reason)}",
        stage="record",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        at=message.timestamp,
        first_bytes=(message.value or b"")[:FIRST_BYTES].decode("utf-8", "backslashreplace"),
    )
