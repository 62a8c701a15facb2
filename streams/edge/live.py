"""The live tail: follows events, dead letters and the status topic, and keeps the newest of each in memory."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from pipelines.ids import from_text
from pipelines.requests import LETTERS
from streams.edge.board import Board, now_ms
from streams.edge.newest import Newest
from streams.edge.recent import Definition, Recent, StepHead, heads
from streams.edge.waiters import Decided, Waiters, pipeline_key, run_key, task_key
from streams.engine.events import PipelineCreated, Refused, TaskCreated
from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, Topics

AFTERWARDS = frozenset({"record", "notify"})
"""Stages that decide nothing: what they cannot do is no answer to an order."""

LULL = 0.025
"""Seconds between two looks while nobody waits for a decision: each costs the same, whatever has come."""

PAST, PAST_MESSAGES = 10_000, 1_000
"""Milliseconds and messages of events that are read at the start: what another edge has yet to write to the history."""

CATCH_UP = 1.0
"""Seconds in which the tail has heard all that was said before, or it is not waited for any longer."""

BLIND = 10.0
"""Seconds in which nobody waits for that again after it failed: many may ask in a row."""

log = structlog.get_logger(__name__)


_refused = msgspec.json.Decoder(Refused).decode


class Live:
    """`recent` events, `board` of pools and roles, dead `letters`, `waiters`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics.under(settings.namespace)
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._taking = False
        self._blind_until = 0.0
        self._heard_at = time.monotonic()
        self.recent = Recent()
        self.waiters = Waiters()
        self.board = Board()
        self.letters = Newest[Refused, None](LETTERS)

    async def start(self) -> None:
        """Follow from here on; status, dead letters and the last events so far are read before this returns."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            enable_auto_commit=False,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=MESSAGE_LIMIT,
            check_crcs=False,  # RECORD checks the same messages, and what is shown here is soon gone
        )
        try:
            await consumer.start()
            await self._place(consumer)
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        self._task = asyncio.create_task(self._follow(consumer), name="live tail")

    async def stop(self) -> None:
        """Stop following."""
        task, self._task = self._task, None
        consumer, self._consumer = self._consumer, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if consumer is not None:  # it ends with what ended its own tasks, where its broker is away
            await asyncio.gather(consumer.stop(), return_exceptions=True)

    @property
    def following(self) -> bool:
        """Whether the tail is being read."""
        return self._task is not None and not self._task.done()

    @property
    def silent_ms(self) -> int:
        """Milliseconds since anything came; the edge's own word comes once a second while Kafka answers."""
        return round((time.monotonic() - self._heard_at) * 1000)

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Start at the last events, at the last dead letters, and at the beginning of status."""
        events = self._event_partitions()
        letters, status = TopicPartition(self._topics.dead_letters, 0), TopicPartition(self._topics.status, 0)
        consumer.assign([*events, letters, status])
        ends = await consumer.end_offsets([*events, letters, status])
        starts = await consumer.beginning_offsets([letters, status])
        recent = await consumer.offsets_for_times(dict.fromkeys(events, now_ms() - PAST))
        for partition in events:
            first = recent[partition].offset if recent[partition] else ends[partition]
            consumer.seek(partition, max(first, ends[partition] - PAST_MESSAGES))
        consumer.seek(letters, max(starts[letters], ends[letters] - LETTERS))
        consumer.seek(status, starts[status])
        async with asyncio.timeout(30):
            while any([await consumer.position(p) < end for p, end in ends.items()]):
                await self._read(consumer)

    def _event_partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self._topics.events, n) for n in range(self._settings.event_partitions)]

    async def caught_up(self) -> None:
        """Return when all events are heard that Kafka had before: another edge may have told of them already."""
        if (consumer := self._consumer) is None or time.monotonic() < self._blind_until:
            return
        try:
            async with asyncio.timeout(CATCH_UP):
                ends = await consumer.end_offsets(self._event_partitions())
                while self._taking or any([await consumer.position(p) < end for p, end in ends.items()]):  # noqa: ASYNC110  (nobody tells of a position)
                    await asyncio.sleep(LULL / 5)
        except (KafkaError, TimeoutError):
            self._blind_until = time.monotonic() + BLIND

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._read(consumer)
                if not self.waiters:
                    await asyncio.sleep(LULL)
            except Exception:
                log.exception("the live tail stumbled and goes on")
                await asyncio.sleep(1)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        came = await consumer.getmany(timeout_ms=250)
        self._taking = True  # what is not taken yet counts as read
        try:
            for partition, records in came.items():
                self._heard_at = time.monotonic()
                self._take(partition.topic, records)
                await asyncio.sleep(0)
        finally:
            self._taking = False

    def _take(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        handle = {
            self._topics.events: self._events,
            self._topics.dead_letters: self._letter,
            self._topics.status: self._status,
        }[topic]
        for record in records:
            try:
                handle(record)
            except (msgspec.MsgspecError, ValueError) as error:
                log.warning("skipped what cannot be read", topic=topic, offset=record.offset, error=str(error))

    def _status(self, record: ConsumerRecord) -> None:
        self.board.put((record.key or b"").decode(), record.value)

    def _letter(self, record: ConsumerRecord) -> None:
        """A stage that decides again, after a death or a bug of ours, sends the same letter again: it is heard once."""
        refused = _refused(record.value or b"")
        if refused in self.letters:
            return
        self.letters.put(refused, None)
        if refused.stage in AFTERWARDS:
            return
        if refused.execution:
            self.waiters.decided(from_text(refused.execution), refused)
        else:
            self.waiters.refused_by_name(refused)

    def _events(self, record: ConsumerRecord) -> None:
        packed = record.value or b""
        self.recent.add(packed)
        if self.waiters:
            for head in heads(packed):
                self._decided(head)

    def _decided(self, head: StepHead | Definition) -> None:
        """Tell those who wait for it."""
        if isinstance(head, StepHead):
            self._moved(head)
        elif isinstance(head, PipelineCreated):
            self.waiters.decided(pipeline_key(head.id), Decided("created"))
        elif isinstance(head, TaskCreated):
            self.waiters.decided(task_key(head.task.id), Decided("created"))
        else:
            self.waiters.decided(task_key(head.task), Decided("deleted"))

    def _moved(self, head: StepHead) -> None:
        execution = head.execution
        decided = Decided(head.what, execution.state)
        self.waiters.decided(execution.id, decided)
        if head.what == "created" and "." in execution.task:
            self.waiters.decided(run_key(execution.task.partition(".")[0], execution.run), decided)
