"""Reading a system's topics from their beginning, piece by piece: hours of logs do not fit into memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.topics import MESSAGE_LIMIT


class Logs:
    """All messages of one partition after the other, as aiokafka's consumer gives them."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def pieces(self, topic: str, number: int) -> AsyncIterator[list[Any]]:
        """What a partition holds now, in order."""
        tp = TopicPartition(topic, number)
        self._consumer.assign([tp])
        await self._consumer.seek_to_beginning(tp)
        end = (await self._consumer.end_offsets([tp]))[tp]
        while await self._consumer.position(tp) < end:
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                yield records


@asynccontextmanager
async def reading(bootstrap: str) -> AsyncIterator[Logs]:
    """The logs that a broker has."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        max_partition_fetch_bytes=MESSAGE_LIMIT,
        fetch_max_wait_ms=20,  # a partition that is done is still being asked for more when the next one's turn comes
    )
    async with consumer:
        yield Logs(consumer)
