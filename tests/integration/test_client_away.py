"""What the client says and does while its broker is away; brokers of its own, which end and come back."""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from pipelines.events import SubmitEvent
from pipelines.model import SleepTask
from streams import aiokafka_fixes, client, hearing
from streams.acknowledged import so_far
from streams.client import CommandTooLargeError, KafkaClient
from streams.engine.records import TaskDef
from streams.hearing import BrokerError
from streams.local.broker import Broker
from streams.local.ports import free_ports
from streams.local.supervisor import environment
from streams.settings import Settings, SettingsError
from tests.integration.standing_still import standing_still
from tests.integration.tasks_topic import tasks_topic, written

LOOKS_PER_SECOND = 2 * 1000 / 100
"""Twice what aiokafka's `retry_backoff_ms` comes to: two may ask at the same time. Unpaced it is thousands."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One that may end, as an operator would end it (it tells its clients), and begin again at the same address."""
    with Broker(tmp_path_factory.mktemp("away"), *free_ports(2)) as one:
        yield one


@contextlib.asynccontextmanager
async def coming_back(broker: Broker) -> AsyncIterator[None]:
    """Whatever ends it inside, it is back afterwards with what it had."""
    try:
        yield
    finally:
        broker.start()  # its parent is this thread, with which it would end
        await asyncio.to_thread(broker.wait_ready)


@contextlib.asynccontextmanager
async def away(broker: Broker) -> AsyncIterator[None]:
    """It has ended in order."""
    await asyncio.to_thread(broker.stop)
    async with coming_back(broker):
        yield


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
    looks, looking = [], AIOKafkaClient._metadata_update

    async def count(*args: Any) -> bool:
        looks.append(time.monotonic())
        found: bool = await looking(*args)
        return found

    async def one_after_the_other(until: asyncio.Event) -> int:
        for number in itertools.count():
            await sender.submit_many(tasks(number, number + 1))
            if until.is_set():
                return number + 1
        raise AssertionError

    monkeypatch.setattr(aiokafka_fixes, "_look", count)
    caplog.set_level(logging.WARNING)
    async with KafkaClient(settings, within=60) as sender:
        gone = asyncio.Event()
        many = asyncio.create_task(one_after_the_other(gone))
        monkeypatch.setattr(hearing, "SILENCE", 1.5)
        async with away(broker):
            gone.set()
            await asyncio.sleep(3)
            assert not many.done()
        last = await many
        assert len(await sender.submit_many(tasks(last, last + 10))) == 10
    durable = {command.task for message in await written(settings) for command in message}
    assert durable == {f"t{number}" for number in range(last + 10)}
    assert len(looks) - 1 < (looks[-1] - looks[0]) * LOOKS_PER_SECOND
    told, again = said(caplog)
    assert re.fullmatch(
        rf"{re.escape(named(settings))} has not acknowledged all that was sent since \d\d:\d\d:\d\d; "
        "it is waited for, 60 s in all",
        told,
    )
    assert again == f"{named(settings)} has acknowledged all of that now"
    assert len([line for line in caplog.messages if line.startswith("Unable to update metadata")]) < len(looks) / 2


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """By the client itself, in order."""
    return [record.getMessage() for record in caplog.records if record.name == "streams.hearing"]


async def test_where_the_broker_stays_away_the_error_says_how_far_it_came(
    settings: Settings, broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends soon after the first that is not acknowledged, and counts none of which it does not know."""
    monkeypatch.setattr(hearing, "SILENCE", 0.2)
    async with KafkaClient(settings, within=1) as sender:
        many = asyncio.create_task(sender.submit_many(tasks(0, 10_000_000)))
        await asyncio.sleep(1)
        seen = sum(map(len, await written(settings)))
        await asyncio.sleep(1)  # so long no word takes
        async with away(broker):
            async with asyncio.timeout(60):
                with pytest.raises(BrokerError) as raised:
                    await many
    assert f"{named(settings)} has not acknowledged all that was sent" in str(raised.value)
    assert not [line for line in said(caplog) if line.endswith("now")]
    [note] = raised.value.__notes__
    durable = int(note.split()[2].replace(",", ""))
    assert note == so_far(durable)
    assert 0 < seen <= durable <= sum(map(len, await written(settings)))


async def test_a_task_that_cannot_be_made_leaves_those_before_it(settings: Settings) -> None:
    """The error says which it was, and how many of those before it are durable."""

    def work() -> Iterator[TaskDef]:
        yield from tasks(0, 25)
        raise ValueError("no more")

    async with KafkaClient(settings) as sender:
        with pytest.raises(ValueError, match="no more") as raised:
            await sender.submit_many(work())
    assert raised.value.__notes__ == ["It was task 26 of this call.", so_far(20)]
    assert sum(map(len, await written(settings))) == 20


@pytest.mark.parametrize("tasks", [[{"id": "t"}], {"id": "t"}, ["t"], SubmitEvent(task=SleepTask(id="t", seconds=0))])
async def test_what_is_no_event_is_named(settings: Settings, tasks: list[TaskDef]) -> None:
    """And what would be right."""
    async with KafkaClient(settings) as sender:
        with pytest.raises(TypeError, match=r"as \[SubmitEvent\(task={…}\), …\]; a (dict|str|SubmitEvent) is none"):
            await sender.submit_many(tasks)


async def test_a_start_without_a_broker_names_the_setting(settings: Settings) -> None:
    """And what to do; where the address is none, that."""
    with pytest.raises(
        BrokerError, match=r"127.0.0.1:1 \(HEADRACE_KAFKA\) does not answer; `.*headrace up` starts one"
    ):
        await KafkaClient(settings.model_copy(update={"kafka": "127.0.0.1:1"})).start()
    with pytest.raises(SettingsError, match="HEADRACE_KAFKA is 'nowhere:at all'"):
        await KafkaClient(settings.model_copy(update={"kafka": "nowhere:at all"})).start()


async def test_a_start_at_a_broker_that_hangs_says_so(
    settings: Settings, broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits, and when it has waited long enough."""
    monkeypatch.setattr(hearing, "SILENCE", 0.5)
    with standing_still(broker), pytest.raises(BrokerError, match=r"has not answered within 1 s; `.*doctor` says more"):
        await KafkaClient(settings, within=1).start()
    assert re.search(r"has not answered since \d\d:\d\d:\d\d; it is waited for, 1 s in all", said(caplog)[0])


async def test_of_several_brokers_one_that_hangs_at_the_start_is_left_for_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is asked first: several clients, since that is by chance."""
    monkeypatch.setattr(aiokafka_fixes, "FIRST_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = f"127.0.0.1:{silent.getsockname()[1]},{settings.kafka}"
        clients = [KafkaClient(settings.model_copy(update={"kafka": kafka}), within=20) for _ in range(5)]
        await asyncio.gather(*(client.start() for client in clients))
        assert len(await clients[0].submit_many(tasks(0, 10))) == 10
        await asyncio.gather(*(client.stop() for client in clients))


async def test_a_start_without_the_topic_names_the_command(settings: Settings) -> None:
    """A broker alone is not enough."""
    with pytest.raises(BrokerError, match=r"no topic 'other.tasks' \(HEADRACE_NAMESPACE\); `.*headrace topics` makes"):
        await KafkaClient(settings.model_copy(update={"namespace": "other"})).start()


async def test_a_task_that_fits_into_no_message_is_told_by_its_number(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the call, and not of those that were sent together."""
    monkeypatch.setattr(client, "COMMAND_LIMIT", 1_000)
    large = TaskDef("large", "sleep", b"x" * 2_000)
    async with KafkaClient(settings) as sender:
        with pytest.raises(CommandTooLargeError, match=r"command 26 \(Execute\) takes 2,\d+ bytes") as raised:
            await sender.submit_many([*tasks(0, 25), large])
    assert raised.value.__notes__ == [so_far(20)]


def large(count: int) -> list[TaskDef]:
    """Two of them fill a batch."""
    return [TaskDef(f"large{number}", "sleep", b"x" * 400_000) for number in range(count)]


async def test_of_what_fits_into_no_batch_none_is_sent_after_an_error(settings: Settings, broker: Broker) -> None:
    """What was gathered is given up together, and not envelope by envelope; the error claims none of it."""
    async with KafkaClient(settings, within=1) as sender, away(broker):
        with pytest.raises(BrokerError) as raised:
            await sender.submit_many(large(10))
        assert raised.value.__notes__ == [so_far(0)]
        await asyncio.sleep(2)
        assert not sender._under_way
    assert sum(map(len, await written(settings))) == 0


@pytest.mark.parametrize("work", [tasks(0, 10_000_000), large(20)], ids=["many", "large"])
async def test_a_broker_that_hangs_is_waited_for_no_longer_than_one_that_is_away(
    settings: Settings, broker: Broker, work: Iterable[TaskDef]
) -> None:
    """Neither for each request in turn, nor on the way out, nor for what a socket has not taken."""
    sender = KafkaClient(settings, within=2)
    await sender.start()
    await sender.submit_many(tasks(0, 10))
    with standing_still(broker):
        start = time.monotonic()
        with pytest.raises(BrokerError, match=r"sent within 2 s; `.*headrace doctor` says more"):
            await sender.submit_many(work)
        failed = time.monotonic()
        await sender.stop()
        stopped = time.monotonic()
    assert failed - start < 3 * 2
    assert stopped - failed < 2 * client.PARTING


async def test_a_client_leaves_in_order_while_it_tries_a_broker_that_was_killed(
    settings: Settings, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """What it leaves for is what is heard of, and nothing else is."""

    async def submit_and_fail() -> None:
        async with KafkaClient(settings) as sender:
            await sender.submit_many(tasks(0, 10))
            broker.kill()
            waiting = asyncio.create_task(sender.submit_many(tasks(10, 20)))
            await asyncio.sleep(0.5)
            sending.append(waiting)
            raise ValueError("that is all")

    sending: list[asyncio.Task[Any]] = []
    async with coming_back(broker):
        with pytest.raises(ValueError, match="that is all"):
            await submit_and_fail()
        with pytest.raises(BrokerError, match="the client was stopped before the Kafka broker"):
            await sending[0]
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


async def test_who_is_interrupted_hears_how_far_it_came_and_ends(settings: Settings, broker: Broker) -> None:
    """Though the broker hangs: as Ctrl-C would, in a program of its own."""
    program = """if True:
        import asyncio, itertools
        from headrace import KafkaClient, SubmitEvent

        async def main():
            async with KafkaClient(within=600) as client:
                print("begins", flush=True)
                tasks = ({"id": f"t{n}", "kind": "sleep", "seconds": 0} for n in itertools.count())
                await client.submit_many(SubmitEvent(task=task) for task in tasks)

        asyncio.run(main())
    """
    env = os.environ | environment(settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        assert await process.stdout.readline() == b"begins\n"
        await asyncio.sleep(1)
        with standing_still(broker):
            await asyncio.sleep(1)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(60):
                _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert re.search(r"\nAt least [\d,]+ tasks of this call are durable", said.decode())
    assert said.splitlines()[-1] == b"KeyboardInterrupt"
