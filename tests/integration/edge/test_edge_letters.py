"""Dead letters as the live tail has them."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
from kafka import KafkaProducer
from msgspec.structs import replace

from pipelines.ids import from_text
from streams.edge.live import Live
from streams.engine.events import Refused

ONE, OTHER = str(UUID(int=1)), str(UUID(int=2))


async def test_a_repeated_letter_is_heard_once(system: Any) -> None:
    """A stage that dies or goes back sends it again; another one of the same message is another one."""
    first = Refused("no", "schedule", "nowhere", 0, 7, 1, "", ONE)
    second, third = replace(first, index=1), replace(first, execution=OTHER)
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)

    def send(*letters: Refused) -> None:
        for one in letters:
            producer.send(system.topics.dead_letters, msgspec.json.encode(one), partition=0)
        producer.flush()

    send(first, second)
    live = Live(system.settings)
    await live.start()
    try:
        with live.waiters.expect(from_text(ONE)) as again, live.waiters.expect(from_text(OTHER)) as new:
            send(first, second, third)
            assert await asyncio.wait_for(new, 30) == third
            assert not again.done()
        assert [one for one in reversed(live.letters) if one.topic == "nowhere"] == [third, second, first]
    finally:
        await live.stop()
        producer.close()
