"""Twins of aiokafka's clients over the simulated broker: the part of their surface that this program uses.

They take and give what aiokafka's do, so that the program's own code around them runs as it is.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, Self

from aiokafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.structs import RecordMetadata

from tests.simulated.virtual.broker import Broker, Lane, Message, Record

MOVED = 0.3
"""Seconds that it takes a group to give a partition to a consumer."""


class BatchBuilder:
    """One record batch in the making."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: int) -> object:
        """Add a record. There is always room here."""
        self.messages.append((key, value, timestamp))
        return self

    def close(self) -> None:
        """Nothing more is added."""


class Metadata:
    """See aiokafka.client.AIOKafkaClient, and what it fetches."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def fetch_all_metadata(self) -> Self:
        """Of all topics."""
        return self

    def partitions_for_topic(self, topic: str) -> set[int]:
        """The partitions of a topic."""
        return set(range(self._broker.partitions[topic]))


class Producer:
    """See aiokafka.AIOKafkaProducer."""

    def __init__(self, broker: Broker, **options: Any) -> None:
        self._broker = broker
        self._idempotent = bool(options.get("enable_idempotence"))
        self._lanes: dict[TopicPartition, Lane] = {}
        self.fence: tuple[str, int] | None = None

    async def start(self) -> None:
        """Connect."""
        await asyncio.sleep(self._broker.delay())

    async def stop(self) -> None:
        """Disconnect."""

    async def flush(self) -> None:
        """All that is gathered leaves at once here."""

    @property
    def client(self) -> "Metadata":
        """What it knows of the cluster."""
        return Metadata(self._broker)

    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None
    ) -> Awaitable[RecordMetadata]:
        """Send one message; the result is to be awaited for the broker's word."""
        return self._put(TopicPartition(topic, partition or 0), [(key, value, 0)])

    async def send_and_wait(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None
    ) -> RecordMetadata:
        """Send one message and await the broker's word."""
        return await self._put(TopicPartition(topic, partition or 0), [(key, value, 0)])

    def create_batch(self) -> BatchBuilder:
        """A record batch."""
        return BatchBuilder()

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[RecordMetadata]":
        """Send a batch, whole or not at all."""
        return self._put(TopicPartition(topic, partition), batch.messages)

    def _put(self, tp: TopicPartition, messages: list[Message]) -> "asyncio.Future[RecordMetadata]":
        if tp not in self._lanes:
            self._lanes[tp] = Lane(self._broker, tp, idempotent=self._idempotent or self.fence is not None)
        return self._lanes[tp].put(messages, self.fence)


async def fenced_producer(broker: Broker, transactional_id: str) -> tuple[Producer, int]:
    """See streams.state.faust_fixes.fenced_producer."""
    producer = Producer(broker)
    await producer.start()
    broker.epochs[transactional_id] += 1
    producer.fence = transactional_id, broker.epochs[transactional_id]
    return producer, broker.epochs[transactional_id]


class Consumer:
    """See aiokafka.AIOKafkaConsumer. A group of it has one member: its partitions wait for nobody else."""

    def __init__(self, broker: Broker, *topics: str, **options: Any) -> None:
        self._broker, self._topics, self._group = broker, topics, options.get("group_id")
        self._positions: dict[TopicPartition, int] = {}
        self._joining: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; topics named at the start are assigned."""
        await asyncio.sleep(self._broker.delay())
        self.assign(TopicPartition(topic, 0) for topic in self._topics)

    async def stop(self) -> None:
        """Disconnect."""

    def subscribe(self, topics: Iterable[str], listener: ConsumerRebalanceListener) -> None:
        """Join the group: a moment later its partitions are ours."""
        tps = [TopicPartition(topic, 0) for topic in topics]
        self._joining = asyncio.create_task(self._join(tps, listener))

    async def _join(self, tps: list[TopicPartition], listener: ConsumerRebalanceListener) -> None:
        await asyncio.sleep(MOVED)
        for tp in tps:
            self._positions[tp] = self._broker.offsets.get((str(self._group), tp), (0, ""))[0]
        await listener.on_partitions_assigned(tps)

    def assign(self, tps: Iterable[TopicPartition]) -> None:
        """Read these, and no others."""
        self._positions = {tp: self._positions.get(tp, 0) for tp in tps}

    def unsubscribe(self) -> None:
        """Read nothing."""
        self._positions = {}

    def assignment(self) -> set[TopicPartition]:
        """What is read."""
        return set(self._positions)

    def pause(self, *_tps: TopicPartition) -> None:
        """Not needed: a window is never full here."""

    def resume(self, *_tps: TopicPartition) -> None:
        """See pause."""

    def paused(self) -> set[TopicPartition]:
        """See pause."""
        return set()

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Go on there."""
        self._positions[tp] = offset

    async def seek_to_beginning(self, *tps: TopicPartition) -> None:
        """Go on at the beginning."""
        for tp in tps:
            self._positions[tp] = 0

    async def seek_to_end(self, *tps: TopicPartition) -> None:
        """Go on at the end, as the broker knows it when it is asked."""
        await asyncio.sleep(self._broker.delay())
        for tp in tps:
            self._positions[tp] = len(self._broker.logs[tp])

    async def position(self, tp: TopicPartition) -> int:
        """Where it goes on."""
        return self._positions[tp]

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they begin."""
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they end."""
        await asyncio.sleep(self._broker.delay())
        return {tp: len(self._broker.logs[tp]) for tp in tps}

    def highwater(self, tp: TopicPartition) -> int:
        """Where it ended lately."""
        return len(self._broker.logs[tp])

    async def getmany(
        self, *tps: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        """What has come, or comes in time."""
        asked = list(tps) or sorted(self._positions)
        if not any(self._new(tp) for tp in asked):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_ms / 1000):
                    await self._broker.appended(asked)
        if not any(self._new(tp) for tp in asked):
            return {}
        await asyncio.sleep(self._broker.delay())
        return {tp: self._take(tp, max_records) for tp in asked if self._new(tp)}

    def _new(self, tp: TopicPartition) -> bool:
        return tp in self._positions and self._positions[tp] < len(self._broker.logs[tp])

    def _take(self, tp: TopicPartition, most: int | None) -> list[Record]:
        start = self._positions[tp]
        records = self._broker.logs[tp][start : start + (most or 500)]
        self._positions[tp] = start + len(records)
        return records

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """Keep a group's offsets."""
        await asyncio.sleep(self._broker.delay())
        for tp, at in offsets.items():
            self._broker.offsets[str(self._group), tp] = at.offset, at.metadata


class Admin:
    """See aiokafka.admin.AIOKafkaAdminClient."""

    def __init__(self, broker: Broker, **_options: Any) -> None:
        self._broker = broker

    async def start(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def list_consumer_group_offsets(
        self, group: str, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """A group's offsets."""
        await asyncio.sleep(self._broker.delay())
        known = {tp: self._broker.offsets[group, tp] for tp in partitions if (group, tp) in self._broker.offsets}
        return {tp: OffsetAndMetadata(*at) for tp, at in known.items()}
