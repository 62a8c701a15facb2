"""Reading topics without a consumer group: from their end, one partition each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT

_log = structlog.get_logger(__name__)

AGAIN = 0.2
"""Seconds until a broken fetch is tried again."""

M = TypeVar("M")


@asynccontextmanager
async def reading(settings: Settings, topic: str, partition: int) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that stands at the end of a partition: whatever is written from now on will be read."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        max_partition_fetch_bytes=MESSAGE_LIMIT,
    )
    try:
        await consumer.start()
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        await consumer.position(place)
        yield consumer
    finally:
        await consumer.stop()


async def batches(consumer: AIOKafkaConsumer, decode: Callable[[bytes], list[M]]) -> AsyncIterator[list[M]]:
    """What has arrived since the last time, in order; an envelope that cannot be read is reported and skipped."""
    while True:
        try:
            fetched = await consumer.getmany(timeout_ms=1000)
        except KafkaError as error:
            _log.warning("a topic could not be read", error=repr(error))
            await asyncio.sleep(AGAIN)
            continue
        batch: list[M] = []
        for records in fetched.values():
            for record in records:
                batch += _opened(record, decode)
        if batch:
            yield batch


def _opened(record: object, decode: Callable[[bytes], list[M]]) -> list[M]:
    place = (getattr(record, name) for name in ("topic", "partition", "offset", "value"))
    topic, partition, offset, value = place
    try:
        return decode(value or b"")
    except msgspec.MsgspecError as error:
        _log.warning(
            "a message that is none of ours was skipped",
            topic=topic,
            partition=partition,
            offset=offset,
            first_bytes=bytes(value or b"")[:60],
            error=str(error),
        )
        return []
