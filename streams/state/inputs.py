"""Reading the inputs of tables: each partition by a connection of its own, in our own event loop.

aiokafka has one fetch under way to a broker for each consumer, and leaves out of it what is read but not handed out:
with all inputs in one consumer, a busy one has the others wait. So each has its own, where a fetch stands at the
broker until something comes.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.state.exits import REFUSED, stop_process

log = logging.getLogger(__name__)

FETCH_BYTES = 4 * 1024 * 1024
AGAIN = 0.2
"""Seconds until a fetch that failed is tried again."""


class Inputs:
    """What has arrived of the owned inputs, gathered for one taker. A partition waits until its last part was taken."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._arrived: dict[TopicPartition, list[Any]] = {}
        self._something = asyncio.Event()
        self._taken = asyncio.Event()
        self._readers: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    async def open(self, starts: Mapping[TopicPartition, int]) -> None:
        """Read these from their offsets on, and nothing else. Raises aiokafka's KafkaError."""
        self.close()
        consumers = await asyncio.gather(*(self._connect(tp, offset) for tp, offset in starts.items()))
        for tp, consumer in zip(starts, consumers, strict=True):
            self._readers.add(asyncio.create_task(self._read(tp, consumer), name=f"input {tp.topic}-{tp.partition}"))

    def close(self) -> None:
        """Read nothing any more, from now on; what was not taken is forgotten."""
        for reader in self._readers:
            reader.cancel()
            reader.add_done_callback(self._leaving.discard)
        self._leaving |= self._readers
        self._readers = set()
        self._arrived = {}

    async def stop(self) -> None:
        """Close, and disconnect."""
        self.close()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def take(self, seconds: float) -> dict[TopicPartition, list[Any]]:
        """What has arrived, aiokafka's records in order by partition; nothing where nothing comes within `seconds`."""
        if not self._arrived:
            self._something.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._something.wait()
        arrived, self._arrived = self._arrived, {}
        self._taken.set()
        return arrived

    async def _connect(self, tp: TopicPartition, offset: int) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",  # a position that the log does not have is an error, never a silent jump
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        consumer.assign([tp])
        consumer.seek(tp, offset)
        return consumer

    async def _read(self, tp: TopicPartition, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                for records in (await self._fetch(tp, consumer)).values():
                    await self._give(tp, records)
        finally:
            with suppress(KafkaError):
                await consumer.stop()

    async def _fetch(self, tp: TopicPartition, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        try:
            records: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=60_000)
        except OffsetOutOfRangeError as error:
            stop_process(REFUSED, f"{tp.topic}-{tp.partition} does not have what was not read yet: {error}")
        except KafkaError as error:
            log.warning("%s-%d cannot be read: %r", tp.topic, tp.partition, error)
            await asyncio.sleep(AGAIN)
            return {}
        return records

    async def _give(self, tp: TopicPartition, records: list[Any]) -> None:
        while tp in self._arrived:
            self._taken.clear()
            await self._taken.wait()
        self._arrived[tp] = records
        self._something.set()
