"""What the client says and does while its broker is away; brokers of its own, which end and come back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from streams import client
from streams.client import BrokerError, KafkaClient
from streams.engine.records import TaskDef
from streams.local.broker import Broker
from streams.local.ports import free_ports
from streams.settings import Settings, SettingsError
from tests.integration.tasks_topic import tasks_topic, written

LOOKS_PER_SECOND = 2 * 1000 / 100
"""Twice what aiokafka's `retry_backoff_ms` comes to: two may ask at the same time. Unpaced it is thousands."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One that may end, as an operator would end it (it tells its clients), and begin again at the same address."""
    with Broker(tmp_path_factory.mktemp("away"), *free_ports(2)) as one:
        yield one


async def back(broker: Broker) -> None:
    """Return when it answers again, with what it had."""
    broker.start()
    await asyncio.to_thread(broker.wait_ready)


@pytest.fixture
async def settings(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """Of a namespace with a tasks topic; a client sends ten tasks in one go."""
    monkeypatch.setattr(client, "CHUNK", 10)
    async with tasks_topic(broker.bootstrap, 1) as here:
        yield here


def named(settings: Settings) -> str:
    """How the broker is spoken of."""
    return f"the Kafka broker at {settings.kafka} (HEADRACE_KAFKA)"


def tasks(first: int, last: int) -> Iterator[TaskDef]:
    """Told apart by their numbers."""
    return (TaskDef(f"t{number}", "sleep", b'{"seconds":0}', b"null") for number in range(first, last))


async def test_it_goes_on_when_the_broker_is_back(
    settings: Settings, broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call ends as if nothing had been; meanwhile it said so once, and looked for a broker only so often."""
    monkeypatch.setattr(client, "SILENCE", 0.5)
    looks: list[float] = []
    caplog.set_level(logging.WARNING)

    def count(record: logging.LogRecord) -> bool:
        if record.msg.startswith("Unable to update metadata"):
            looks.append(record.created)
        return True

    async def one_after_the_other() -> int:
        for number in range(1_000_000):
            await sender.submit_many(tasks(number, number + 1))
            if ending.done():
                return number + 1
        raise AssertionError

    logging.getLogger("aiokafka").filters.insert(0, count)
    try:
        async with KafkaClient(settings, within=60) as sender:
            ending = asyncio.create_task(asyncio.to_thread(broker.stop))
            many = asyncio.create_task(one_after_the_other())
            await ending
            await asyncio.sleep(3)
            assert not many.done()
            await back(broker)
            last = await many
            assert len(await sender.submit_many(tasks(last, last + 10))) == 10
    finally:
        logging.getLogger("aiokafka").filters.remove(count)
    assert {command.task for message in await written(settings) for command in message} == {
        f"t{n}" for n in range(last + 10)
    }
    assert len(looks) > 1
    assert len(looks) - 1 < (looks[-1] - looks[0]) * LOOKS_PER_SECOND
    said = [record.getMessage() for record in caplog.records if record.name == "streams.client"]
    assert said == [f"{named(settings)} has not acknowledged for 0.5 s what was sent; it goes on for 59.5 s"]
    assert sum("Unable to update metadata" in record.msg for record in caplog.records) < len(looks)


async def test_where_the_broker_stays_away_the_error_says_how_far_it_came(settings: Settings, broker: Broker) -> None:
    """It ends soon after the first that is not acknowledged, and counts none of which it does not know."""

    def work() -> Iterator[TaskDef]:
        yield from tasks(0, 1_000)
        broker.stop()
        yield from tasks(1_000, 10_000_000)

    async with KafkaClient(settings, within=1) as sender:
        try:
            async with asyncio.timeout(60):
                with pytest.raises(BrokerError) as raised:
                    await sender.submit_many(work())
        finally:
            await back(broker)
    assert f"{named(settings)} did not acknowledge within 1 s what was sent" in str(raised.value)
    [note] = raised.value.__notes__
    durable = int(note.partition(" ")[0].replace(",", ""))
    assert note == client.SO_FAR.format(durable=durable)
    assert 0 < durable <= sum(map(len, await written(settings)))


async def test_a_task_that_cannot_be_made_leaves_those_before_it(settings: Settings) -> None:
    """The error says which it was, and how many of those before it are durable."""

    def work() -> Iterator[TaskDef]:
        yield from tasks(0, 25)
        raise ValueError("no more")

    async with KafkaClient(settings) as sender:
        with pytest.raises(ValueError, match="no more") as raised:
            await sender.submit_many(work())
    assert raised.value.__notes__ == ["It was task 26 of this call.", client.SO_FAR.format(durable=20)]
    assert sum(map(len, await written(settings))) == 20


@pytest.mark.parametrize("tasks", [[{"id": "t", "kind": "sleep"}], {"id": "t"}, ["t"]])
async def test_what_is_no_event_is_named(settings: Settings, tasks: list[TaskDef]) -> None:
    """And what would be right."""
    async with KafkaClient(settings) as sender:
        with pytest.raises(TypeError, match=r"an iterable of SubmitEvent, and this one is a (dict|str)") as raised:
            await sender.submit_many(tasks)
    assert raised.value.__notes__[0] == "It was task 1 of this call."


async def test_a_start_without_a_broker_names_the_setting(settings: Settings) -> None:
    """And what to do; where the address is none, that."""
    with pytest.raises(
        BrokerError, match=r"127.0.0.1:1 \(HEADRACE_KAFKA\) does not answer; `.*headrace up` starts one"
    ):
        await KafkaClient(settings.model_copy(update={"kafka": "127.0.0.1:1"})).start()
    with pytest.raises(SettingsError, match="HEADRACE_KAFKA is 'nowhere:at all'"):
        await KafkaClient(settings.model_copy(update={"kafka": "nowhere:at all"})).start()


async def test_a_start_without_the_topic_names_the_command(settings: Settings) -> None:
    """A broker alone is not enough."""
    with pytest.raises(BrokerError, match=r"has no topic 'other.tasks'; `.*headrace topics` makes it"):
        await KafkaClient(settings.model_copy(update={"namespace": "other"})).start()
