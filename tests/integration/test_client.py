"""The client on a real broker: what many callers send leaves together, and none depends on another."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from pipelines.events import DeleteEvent
from streams.client import COMMAND_LIMIT, CommandTooLargeError, KafkaClient, Placed
from streams.engine.commands import DeleteTask
from streams.settings import Settings, SettingsError
from tests.integration.tasks_topic import tasks_topic, written


@pytest.fixture
async def settings(kafka: str) -> AsyncIterator[Settings]:
    """Of a namespace with a tasks topic of one partition."""
    async with tasks_topic(kafka, 1) as here:
        yield here


def delete(number: int) -> Placed:
    """A command that is told apart by its number."""
    return 0, DeleteTask(f"t{number}", number)


async def numbers(settings: Settings) -> list[list[int]]:
    """The numbers of the commands in each message of the log."""
    return [[c.at for c in commands if isinstance(c, DeleteTask)] for commands in await written(settings)]


async def test_what_comes_at_once_leaves_together(settings: Settings) -> None:
    """A hundred callers cost a request or two, and each hears when its own is durable."""
    async with KafkaClient(settings) as client:
        await client.send([delete(0)])
        await asyncio.gather(*(client.send([delete(number)]) for number in range(1, 101)))
    messages = await numbers(settings)
    assert [number for message in messages for number in message] == list(range(101))
    assert messages[0] == [0]
    assert len(messages) <= 3


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(settings: Settings) -> None:
    """Its own may be sent or not; theirs is, and they hear of it."""
    async with KafkaClient(settings) as client:
        await client.send([delete(0)])
        hasty, patient = (asyncio.create_task(client.send([delete(number)])) for number in (1, 2))
        await asyncio.sleep(0)
        hasty.cancel()
        await patient
        assert hasty.cancelled()
    assert 2 in [number for message in await numbers(settings) for number in message]


async def test_commands_that_cannot_all_be_made_leave_none_behind(settings: Settings) -> None:
    """The caller hears of the error, and nobody else sends a part of it."""

    def failing() -> Iterator[Placed]:
        yield delete(1)
        raise ValueError("the second cannot be made")

    async with KafkaClient(settings) as client:
        with pytest.raises(ValueError, match="the second"):
            await client.send(failing())
        await client.send([delete(2)])
    assert await numbers(settings) == [[2]]


async def test_a_command_that_fits_into_no_message_is_its_sender_s_error_alone(settings: Settings) -> None:
    """Whoever sends at the same moment hears nothing of it."""
    large = 0, DeleteTask("t" * (COMMAND_LIMIT + 1), 2)
    async with KafkaClient(settings) as client:
        first, refused, last = await asyncio.gather(
            *(client.send(commands) for commands in ([delete(1)], [delete(0), large], [delete(3)])),
            return_exceptions=True,
        )
    assert (first, last) == (None, None)
    assert isinstance(refused, CommandTooLargeError)
    assert await numbers(settings) == [[1, 3]]


async def test_what_was_sent_leaves_before_the_client_stops(settings: Settings) -> None:
    """Its caller hears that it is durable."""
    async with KafkaClient(settings) as client:
        await client.send([delete(1)])
        sending = asyncio.create_task(client.send([delete(2)]))
        await asyncio.sleep(0)
    await sending
    assert await numbers(settings) == [[1], [2]]


def test_orders_have_moments_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of one millisecond too; who sets a clock back is followed."""
    client, clock = KafkaClient(Settings()), iter([5.0, 5.0, 5.0, 6.0, 2.0])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    moments = [client.translate([DeleteEvent(task="t")])[0][1].at for _ in range(5)]
    assert moments == [5000, 5001, 5002, 6000, 2000]


async def test_a_client_whose_settings_do_not_fit_the_topic_does_not_start(settings: Settings) -> None:
    """What it sent would not reach its home; of the topics that it does not write to it asks nothing."""
    other = settings.model_copy(update={"task_partitions": 4})
    with pytest.raises(SettingsError, match=r"tasks' has 1 partition, but the settings want 4: set that number"):
        await KafkaClient(other).start()


async def test_a_client_that_was_not_started_says_so(settings: Settings) -> None:
    """And goes on to say so."""
    client = KafkaClient(settings)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not started"):
            await client.send([delete(1)])
