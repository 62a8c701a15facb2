"""The live tail: follows events, dead letters and the status topic, and keeps the newest of each in memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from msgspec import Struct

from pipelines.ids import from_text
from streams.edge.board import Board
from streams.edge.recent import Recent
from streams.edge.waiters import Decided, Waiters, pipeline_key, run_key, task_key
from streams.engine.events import PipelineCreated, Refused, TaskCreated, TaskDeleted
from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, Topics

LETTERS_KEPT = 1000
NAMES_KEPT = 10_000

LULL = 0.025
"""Seconds between two looks while nobody waits for a decision: each costs the same, whatever has come."""

K = TypeVar("K")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class _Head(Struct, array_like=True, gc=False):
    """The first fields of an Execution; the rest is not decoded until somebody asks."""

    id: bytes
    task: str
    run: str
    kind: str
    state: str


class _Step(Struct, array_like=True, tag="mv", gc=False):
    """The first fields of a Moved."""

    what: str
    at: int
    execution: _Head


_heads = msgspec.msgpack.Decoder(list[_Step | TaskCreated | TaskDeleted | PipelineCreated]).decode
_refused = msgspec.json.Decoder(Refused).decode


class Live:
    """`recent` steps, `board` of pools and roles, dead `letters`, newly made `tasks` and `pipelines`, `waiters`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics.under(settings.namespace)
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self.recent = Recent()
        self.waiters = Waiters()
        self.board = Board()
        self.letters: OrderedDict[Refused, None] = OrderedDict()
        self.tasks: OrderedDict[str, TaskCreated | TaskDeleted] = OrderedDict()
        self.pipelines: OrderedDict[str, PipelineCreated] = OrderedDict()

    async def start(self) -> None:
        """Follow from here on; status and dead letters so far are read before this returns."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            enable_auto_commit=False,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=MESSAGE_LIMIT,
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
        if consumer is not None:
            await consumer.stop()

    @property
    def following(self) -> bool:
        """Whether the tail is being read."""
        return self._task is not None and not self._task.done()

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Start at the end of events, at the last dead letters, and at the beginning of status."""
        events = [TopicPartition(self._topics.events, n) for n in range(self._settings.event_partitions)]
        letters, status = TopicPartition(self._topics.dead_letters, 0), TopicPartition(self._topics.status, 0)
        consumer.assign([*events, letters, status])
        ends = await consumer.end_offsets([*events, letters, status])
        starts = await consumer.beginning_offsets([letters, status])
        for partition in events:
            consumer.seek(partition, ends[partition])
        consumer.seek(letters, max(starts[letters], ends[letters] - LETTERS_KEPT))
        consumer.seek(status, starts[status])
        async with asyncio.timeout(30):
            while any([await consumer.position(p) < ends[p] for p in (letters, status)]):
                await self._read(consumer)

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
        for partition, records in (await consumer.getmany(timeout_ms=250)).items():
            self._take(partition.topic, records)
            await asyncio.sleep(0)

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
        refused = _refused(record.value)
        if refused in self.letters:
            return
        _keep(self.letters, refused, None, LETTERS_KEPT)
        if refused.execution:
            self.waiters.decided(from_text(refused.execution), refused)
        else:
            self.waiters.refused_by_name(refused)

    def _events(self, record: ConsumerRecord) -> None:
        heads = _heads(record.value)
        executions = [head.execution.id if isinstance(head, _Step) else b"" for head in heads]
        self.recent.add(record.value, executions)
        if self.waiters or b"" in executions:
            for head in heads:
                self._decided(head)

    def _decided(self, head: _Step | TaskCreated | TaskDeleted | PipelineCreated) -> None:
        """Tell those who wait for it."""
        if not isinstance(head, _Step):
            return self._definition(head)
        execution = head.execution
        decided = Decided(head.what, execution.state)
        self.waiters.decided(execution.id, decided)
        if head.what == "created" and "." in execution.task:
            self.waiters.decided(run_key(execution.task.partition(".")[0], execution.run), decided)
        return None

    def _definition(self, event: TaskCreated | TaskDeleted | PipelineCreated) -> None:
        if isinstance(event, PipelineCreated):
            _keep(self.pipelines, event.id, event)
            return self.waiters.decided(pipeline_key(event.id), Decided("created"))
        if isinstance(event, TaskCreated):
            _keep(self.tasks, event.task.id, event)
            return self.waiters.decided(task_key(event.task.id), Decided("created"))
        _keep(self.tasks, event.task, event)
        return self.waiters.decided(task_key(event.task), Decided("deleted"))


def _keep(kept: OrderedDict[K, T], name: K, value: T, most: int = NAMES_KEPT) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > most:
        kept.popitem(last=False)
