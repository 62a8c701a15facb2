"""What a process says of itself, and of brokers that do not hear it."""

import asyncio
from contextlib import suppress

import pytest
from aiokafka.errors import KafkaError

from streams import pulse


async def test_the_log_tells_when_no_broker_takes_a_word_and_when_one_does_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs and one that refuses alike; once each, however often it was tried."""
    monkeypatch.setattr(pulse, "SILENCE", 0.05)
    monkeypatch.setattr(pulse, "EVERY", 0.01)
    there, taken = asyncio.Event(), 0

    async def send(_key: bytes, _value: bytes | None) -> None:
        nonlocal taken
        if not there.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(there.wait(), 0.02)
            raise KafkaError
        taken += 1

    talking = asyncio.create_task(pulse.pulse("scheduler", send, dict))
    await asyncio.sleep(0.3)
    there.set()
    while taken < 3:  # noqa: ASYNC110  (until it has gone on)
        await asyncio.sleep(0.01)
    talking.cancel()
    first, second = caplog.messages
    assert first.startswith("no Kafka broker has acknowledged this process's word since ")
    assert first.endswith(" (KafkaError()); it goes on trying")
    assert second.startswith("a Kafka broker acknowledges again, after ")
