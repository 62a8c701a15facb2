"""What is said of brokers whose word is late; tests/integration/test_client_away.py has real ones."""

import asyncio

import pytest

from streams import hearing
from streams.hearing import BrokerError, Hearing


async def late(brokers: Hearing) -> None:
    """Long enough for a line in the log, and for no error."""
    async with brokers.wait():
        await asyncio.sleep(0.05)


async def test_what_was_late_is_there_once_all_of_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when something that was sent later is acknowledged, by another broker say; it is told once."""
    monkeypatch.setattr(hearing, "SILENCE", 0.01)
    brokers, loop = Hearing("here:1", within=10), asyncio.get_running_loop()
    first, second, third = (loop.create_future() for _ in range(3))
    brokers.expect(first)
    brokers.expect(second)
    await late(brokers)
    await late(brokers)
    brokers.expect(third)
    third.set_result(None)
    first.set_result(None)
    await asyncio.sleep(0)
    assert len(caplog.messages) == 1
    assert "has not acknowledged all that was sent since" in caplog.messages[0]
    second.set_result(None)
    await asyncio.sleep(0)
    assert caplog.messages[1:] == ["the Kafka broker at here:1 (HEADRACE_KAFKA) has acknowledged all of that now"]


async def test_what_fails_in_the_end_is_not_said_to_be_there(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error says so, and the next silence is told anew."""
    monkeypatch.setattr(hearing, "SILENCE", 0.01)
    brokers, word = Hearing("here:1", within=0.2), asyncio.get_running_loop().create_future()
    brokers.expect(word)
    with pytest.raises(BrokerError, match=r"all that was sent within 0.2 s; `.*doctor` says more"):
        async with brokers.wait():
            await word
    await asyncio.sleep(0)
    await late(brokers)
    assert ["since" in line for line in caplog.messages] == [True, True]
