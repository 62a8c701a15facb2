"""A client that sends in bulk goes no faster than the scheduler reads; a real broker, and a group that commits."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_topic import NewTopic
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from streams import backpressure, client
from streams.backpressure import Backpressure
from streams.client import KafkaClient
from streams.engine.records import TaskDef
from streams.settings import Settings
from streams.topics import Topics, group

PARTITIONS = 2
MANY = 400
UNREAD = 100


@pytest.fixture
async def settings(kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """Of a namespace with a tasks topic of two partitions; a client sends a hundred tasks in one go."""
    monkeypatch.setattr(client, "CHUNK", UNREAD)
    here = Settings(kafka=kafka, namespace=f"client-{uuid.uuid4().hex[:8]}", task_partitions=PARTITIONS)
    topic = Topics.under(here.namespace).tasks
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        yield here
        await admin.delete_topics([topic])
    finally:
        await admin.close()


@pytest.fixture
async def scheduler(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Somebody who commits for the scheduler's group."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=group(settings, "scheduler")) as consumer:
        consumer.assign(partitions(settings))
        yield consumer


def partitions(settings: Settings) -> list[TopicPartition]:
    """Those of the tasks."""
    return [TopicPartition(Topics.under(settings.namespace).tasks, number) for number in range(PARTITIONS)]


def tasks(count: int) -> Iterator[TaskDef]:
    """Tasks of a pipeline each, so that they spread over the partitions."""
    return (TaskDef(f"t{number}", "sleep", b'{"seconds":0}', b"null") for number in range(count))


async def read(scheduler: AIOKafkaConsumer, settings: Settings) -> None:
    """Commit all that stands in the log by now."""
    ends = await scheduler.end_offsets(partitions(settings))
    await scheduler.commit({tp: OffsetAndMetadata(end, "") for tp, end in ends.items()})


async def test_bulk_waits_until_it_is_read(
    settings: Settings, scheduler: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is allowed to stand unread leaves, the rest when the group has committed it; a single task goes past."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    async with KafkaClient(settings) as sender:
        many = asyncio.create_task(sender.submit_many(tasks(MANY), "r", unread=UNREAD))
        await asyncio.sleep(0.5)
        [single] = await sender.submit_many(tasks(1), "alone", unread=UNREAD)
        before = sum((await scheduler.end_offsets(partitions(settings))).values())
        await asyncio.sleep(0.5)
        assert single
        assert not many.done()
        assert sum((await scheduler.end_offsets(partitions(settings))).values()) == before
        async with asyncio.timeout(30):
            while not many.done():
                await read(scheduler, settings)
                await asyncio.sleep(0.01)
    assert len(await many) == MANY


async def test_nobody_waits_where_the_scheduler_does_not_get_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is acknowledged without one; it will read it when it is there."""
    monkeypatch.setattr(backpressure, "PATIENCE", 0.2)
    async with KafkaClient(settings) as sender, asyncio.timeout(30):
        assert len(await sender.submit_many(tasks(MANY), "r", unread=10)) == MANY


async def test_nobody_waits_where_it_cannot_be_learned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may lack the right to look at groups; it sends as if nobody asked."""

    async def refuse(_: Backpressure) -> None:
        raise GroupAuthorizationFailedError

    monkeypatch.setattr(backpressure, "PATIENCE", 0.2)
    monkeypatch.setattr(Backpressure, "_committed", refuse)
    async with KafkaClient(settings) as sender, asyncio.timeout(30):
        assert len(await sender.submit_many(tasks(MANY), "r", unread=10)) == MANY


async def test_who_asks_for_no_limit_is_not_held_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far the scheduler is does not matter, and nobody looks."""

    async def room(_: Backpressure, __: int) -> None:
        pytest.fail("it waited for room")

    monkeypatch.setattr(Backpressure, "room", room)
    async with KafkaClient(settings) as sender, asyncio.timeout(30):
        assert len(await sender.submit_many(tasks(MANY), "r", unread=None)) == MANY
