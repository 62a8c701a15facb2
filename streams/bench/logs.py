"""What stands in the logs since a moment."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, layout

Place = dict[TopicPartition, int]
"""An offset in each partition."""


def ends(settings: Settings, *topics: str) -> Place:
    """Where each partition of the topics ends now."""
    return asyncio.run(_ends(settings, topics))


def since(settings: Settings, place: Place) -> dict[TopicPartition, list[Any]]:
    """All messages from a place to the end, as aiokafka's consumer gives them."""
    return asyncio.run(_since(settings, place))


async def _ends(settings: Settings, topics: tuple[str, ...]) -> Place:
    wide = layout(settings)
    tps = [TopicPartition(topic, number) for topic in topics for number in range(wide[topic][0])]
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka) as consumer:
        consumer.assign(tps)
        return dict(await consumer.end_offsets(tps))


async def _since(settings: Settings, place: Place) -> dict[TopicPartition, list[Any]]:
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, max_partition_fetch_bytes=MESSAGE_LIMIT) as consumer:
        consumer.assign(list(place))
        for tp, offset in place.items():
            consumer.seek(tp, offset)
        last = await consumer.end_offsets(list(place))
        found: dict[TopicPartition, list[Any]] = {tp: [] for tp in place}
        while any([await consumer.position(tp) < last[tp] for tp in place]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found[tp] += records
    return found
