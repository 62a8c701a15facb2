"""A client that sends in bulk goes no faster than the scheduler reads; a real broker, and a group that commits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from streams import backpressure, client
from streams.acknowledged import Word
from streams.backpressure import Backpressure
from streams.client import KafkaClient
from streams.engine.records import TaskDef
from streams.settings import Settings
from streams.topics import group
from tests.integration.tasks_topic import partitions, tasks_topic, written

PARTITIONS = 2
MANY = 400
UNREAD = 100


@pytest.fixture
async def settings(kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """Of a namespace with a tasks topic of two partitions; a client sends a hundred tasks in one go."""
    monkeypatch.setattr(client, "CHUNK", UNREAD)
    async with tasks_topic(kafka, PARTITIONS) as here:
        yield here


@pytest.fixture
async def scheduler(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Somebody who commits for the scheduler's group."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=group(settings, "scheduler")) as consumer:
        consumer.assign(partitions(settings))
        await read(consumer, settings)  # a broker that has just begun may have no coordinator yet
        yield consumer


def tasks(count: int) -> Iterator[TaskDef]:
    """Tasks of a pipeline each, so that they spread over the partitions."""
    return (TaskDef(f"t{number}", "sleep", b'{"seconds":0}', b"null") for number in range(count))


async def read(scheduler: AIOKafkaConsumer, settings: Settings) -> None:
    """Commit all that stands in the log by now."""
    ends = await scheduler.end_offsets(partitions(settings))
    await scheduler.commit({tp: OffsetAndMetadata(end, "") for tp, end in ends.items()})


async def still(scheduler: AIOKafkaConsumer, settings: Settings) -> int:
    """Messages in the log, once no more come."""
    before, count = -1, 0
    while before != count:
        before = count
        await asyncio.sleep(0.5)
        count = sum((await scheduler.end_offsets(partitions(settings))).values())
    return count


async def all_read(scheduler: AIOKafkaConsumer, settings: Settings, sending: "asyncio.Future[Any]") -> None:
    """Read until it has sent all."""
    async with asyncio.timeout(30):
        while not sending.done():
            await read(scheduler, settings)
            await asyncio.sleep(0.01)


async def test_bulk_waits_until_it_is_read(
    settings: Settings, scheduler: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is allowed to stand unread leaves, the rest when the group has committed it; a single task goes past."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    async with KafkaClient(settings) as sender:
        many = asyncio.create_task(sender.submit_many(tasks(MANY), "r", unread=UNREAD))
        before = await still(scheduler, settings)
        [single] = await sender.submit_many(tasks(1), "alone", unread=UNREAD)
        assert single
        assert await still(scheduler, settings) == before + 1
        assert not many.done()
        await all_read(scheduler, settings, many)
    assert len(await many) == MANY


async def test_many_callers_have_one_share(
    settings: Settings, scheduler: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty that begin at the same moment put no more into the log than one would."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    async with KafkaClient(settings) as sender:
        calls = [sender.submit_many(tasks(UNREAD), f"r{number}", unread=UNREAD) for number in range(20)]
        many = asyncio.gather(*calls)
        await still(scheduler, settings)
        assert sum(map(len, await written(settings))) <= 3 * UNREAD
        await all_read(scheduler, settings, many)
    assert sum(map(len, await many)) == 20 * UNREAD
    assert sum(map(len, await written(settings))) == 20 * UNREAD


async def test_who_waits_when_the_client_stops_hears_of_it(
    settings: Settings, scheduler: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left open behind it."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    async with KafkaClient(settings) as sender:
        many = asyncio.create_task(sender.submit_many(tasks(MANY), "r", unread=0))
        await still(scheduler, settings)
        assert not many.done()
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError, match="not started"):
            await many


async def test_a_topic_made_anew_is_no_standstill(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood in the old one is forgotten as soon as a lower offset is committed."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    pressure, committed = Backpressure(settings), {0: 1_000_000}

    async def look(_: Backpressure) -> dict[int, int]:
        return committed

    async def send(offset: int) -> None:
        word: Word = asyncio.get_running_loop().create_future()
        word.set_result(RecordMetadata("t", 0, TopicPartition("t", 0), offset, 0, 1, 0))
        async with pressure.room({0: 1}, 0) as tell:
            tell({0: word})

    monkeypatch.setattr(Backpressure, "_committed", look)
    async with asyncio.timeout(30):
        await send(999_999)
        await send(1_000_000)
        committed[0] = 1
        await send(5)


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

    monkeypatch.setattr(backpressure, "BLIND", 0.2)
    monkeypatch.setattr(Backpressure, "_committed", refuse)
    async with KafkaClient(settings) as sender, asyncio.timeout(30):
        assert len(await sender.submit_many(tasks(MANY), "r", unread=10)) == MANY


async def test_who_asks_for_no_limit_is_not_held_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far the scheduler is does not matter, and nobody looks."""

    def room(_: Backpressure, *__: object) -> None:
        pytest.fail("it asked for room")

    monkeypatch.setattr(Backpressure, "room", room)
    async with KafkaClient(settings) as sender, asyncio.timeout(30):
        assert len(await sender.submit_many(tasks(MANY), "r", unread=None)) == MANY
