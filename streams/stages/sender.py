"""Sends a stage's outputs, and returns when the brokers have them all.

aiokafka has one request under way to a broker for each producer: stages that shared one would wait for each other.
"""

import asyncio
from collections.abc import Callable
from typing import Self

from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from streams.stages.incoming import Incoming, Send
from streams.topics import ENVELOPE_BYTES, MESSAGE_LIMIT

APPEND_TIME = 1
"""The type of a timestamp that the broker made."""

Near = Callable[[str, int, Incoming], None]
"""Hears of a message as its topic and partition now have it."""


class Sender:
    """One idempotent producer. Use as `async with Sender(settings, near) as send: await send([...])`."""

    def __init__(self, settings: Settings, near: Near) -> None:
        self._settings, self._near = settings, near
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises aiokafka's KafkaConnectionError when no broker answers."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=2 * ENVELOPE_BYTES,
            max_request_size=MESSAGE_LIMIT,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what is left and disconnect."""
        producer, self._producer = self._producer, None
        if producer:
            await producer.stop()

    async def __call__(self, sends: list[Send]) -> None:
        """Send all and await every acknowledgement. Raises aiokafka's KafkaError."""
        if not sends:
            return
        if self._producer is None:
            raise RuntimeError("the sender is not started")
        futures = [
            await self._producer.send(send.topic, send.value, key=send.key, partition=send.partition) for send in sends
        ]
        for send, sent in zip(sends, await asyncio.gather(*futures), strict=True):
            if sent.timestamp_type == APPEND_TIME:
                self._near(send.topic, send.partition, Incoming(sent.offset, sent.timestamp, send.value or b""))
