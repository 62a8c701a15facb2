"""Reading what is to be recorded: batches of messages, from where ClickHouse says that it has come.

Beside the embedded engine there is one recorder, so all partitions are assigned to it by hand: a process that was
killed goes on at once instead of waiting for its own membership to run out. Beside a server there may be many
recorders, so they form a consumer group. Either way the offsets in ClickHouse decide, and not those in Kafka: history
that is restored from a backup fills itself up again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from sinks.record.tables import Place
from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, NEWS_MS

BATCH_BYTES = 16 * 1024 * 1024
"""Bytes of messages after which a batch is full."""

FETCH_BYTES = 8 * 1024 * 1024
"""Bytes that wait in the consumer, about."""

IDLE_MS = 500
"""How long one look for messages takes at most, milliseconds."""

FETCH_MIN = 256 * 1024
"""Bytes for which the broker holds its answer back: each costs both sides the same, whatever is in it."""

FETCH_MS = 100
"""For how long at most, milliseconds."""

LOOK_MS = 50
"""The same while a batch is gathered, for which somebody may ask."""

PATIENCE_MS = 24 * 3_600_000
"""How long ClickHouse may be away before the group gives our partitions to another recorder."""

Places = Callable[[], Awaitable[dict[Place, int]]]

log = structlog.get_logger(__name__)


class Feed(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The topics of events and logs as batches. `places` asks ClickHouse where to go on."""

    def __init__(self, settings: Settings, topics: tuple[str, ...], places: Places, *, alone: bool) -> None:
        self._topics = topics
        self._places = places
        self._alone = alone
        self._options = {
            "bootstrap_servers": settings.kafka,
            "group_id": None if alone else f"{settings.namespace}.record",
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "fetch_max_bytes": FETCH_BYTES,
            "max_partition_fetch_bytes": max(FETCH_BYTES, MESSAGE_LIMIT),
            "fetch_min_bytes": FETCH_MIN,
            "fetch_max_wait_ms": FETCH_MS,
            "max_poll_interval_ms": PATIENCE_MS,
            "metadata_max_age_ms": NEWS_MS,
        }
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def _reader(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the feed is not started")
        return self._consumer

    async def start(self) -> None:
        """Connect and take partitions. Raises aiokafka's KafkaError."""
        if not self._alone:
            self._consumer = AIOKafkaConsumer(**self._options)
            await self._consumer.start()
            self._consumer.subscribe(list(self._topics), listener=self)
            return
        self._consumer = await self._with_topics()
        found = list(self._consumer.assignment())
        self._consumer.unsubscribe()
        self._consumer.assign(found)
        await self.on_partitions_assigned(found)

    async def stop(self) -> None:
        """Leave."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def look(self, wait_ms: int) -> list[ConsumerRecord]:
        """What has come, or comes within `wait_ms`; nothing where nothing does."""
        found = await self._reader.getmany(timeout_ms=wait_ms)
        return [message for messages in found.values() for message in messages]

    async def more(self, messages: list[ConsumerRecord], until: float) -> bool:
        """Add to a batch what comes soon; false: it is full, or it is `until` (monotonic)."""
        left = until - time.monotonic()
        if left <= 0 or sum(len(m.value or b"") for m in messages) > BATCH_BYTES:
            return False
        messages += await self.look(min(round(left * 1000) + 1, LOOK_MS))
        return True

    def behind(self, place: Place, offset: int) -> int:
        """How many messages of a partition come at or after an offset; 0 where it is another recorder's by now."""
        partition = TopicPartition(*place)
        end = self._reader.highwater(partition) if partition in self._reader.assignment() else None
        return max((end or offset) - offset, 0)

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Go on where ClickHouse has come to; a partition that it does not know begins at its beginning."""
        if not assigned:
            return
        places = await self._places()
        starts, ends = await self._reader.beginning_offsets(assigned), await self._reader.end_offsets(assigned)
        for partition in assigned:
            place, start = places.get((partition.topic, partition.partition)), starts[partition]
            if place is not None and place > ends[partition]:
                log.warning("the topic was made anew: it is read from its beginning", topic=partition.topic)
                place = None
            if place is not None and place < start:
                missing = start - place
                log.error(
                    "history has a gap: Kafka kept no longer what was not recorded",
                    topic=partition.topic,
                    missing=missing,
                )
            self._reader.seek(partition, max(place or start, start))

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Nothing to do: what is on its way may be written twice, and that changes nothing."""

    async def _with_topics(self) -> AIOKafkaConsumer:
        """A consumer of all partitions of our topics, as soon as somebody has made those."""
        while True:
            consumer = AIOKafkaConsumer(*self._topics, **self._options)
            try:
                await consumer.start()
            except UnknownTopicOrPartitionError:
                await consumer.stop()
                log.info("waits for its topics", topics=self._topics)
                await asyncio.sleep(IDLE_MS / 1000)
            else:
                return consumer
