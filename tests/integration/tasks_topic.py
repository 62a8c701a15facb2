"""A namespace of its own with nothing but a topic of tasks, and what a client has written into it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_topic import NewTopic

from streams.envelope import task_commands
from streams.settings import Settings
from streams.topics import Topics


@asynccontextmanager
async def tasks_topic(kafka: str, count: int) -> AsyncIterator[Settings]:
    """The settings of a client; its topic has so many partitions."""
    here = Settings(kafka=kafka, namespace=f"client-{uuid.uuid4().hex[:8]}", task_partitions=count)
    topic = Topics.under(here.namespace).tasks
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, count, 1)])
        async with asyncio.timeout(30):
            while topic not in await admin.list_topics():  # noqa: ASYNC110  (a busy broker knows of it somewhat later)
                await asyncio.sleep(0.05)
        yield here
        await admin.delete_topics([topic])
    finally:
        await admin.close()


def partitions(settings: Settings) -> list[TopicPartition]:
    """Those of the tasks."""
    return [
        TopicPartition(Topics.under(settings.namespace).tasks, number) for number in range(settings.task_partitions)
    ]


async def written(settings: Settings) -> list[list[Any]]:
    """The commands of each message in the log."""
    messages: list[Any] = []
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka) as consumer:
        consumer.assign(partitions(settings))
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions(settings))
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for found in (await consumer.getmany(timeout_ms=1_000)).values():
                messages += found
    return [task_commands(message.value) for message in messages]
