"""Reading the inputs of tables: each partition by a connection of its own, in our own event loop.

aiokafka has one fetch under way to a broker for each consumer, and leaves out of it what is read but not handed out:
with all inputs in one consumer, a busy one has the others wait. So each has its own, where a fetch stands at the
broker until something comes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.state.exits import CRASHED, REFUSED, stop_process
from streams.topics import GATHER

log = logging.getLogger(__name__)

FETCH_BYTES = 4 * 1024 * 1024
AGAIN = 0.2
"""Seconds until a fetch that failed is tried again."""

SILENT = 5.0
"""Seconds without a message after which is looked whether something was passed that is none."""


class Fetch(NamedTuple):
    """What one fetch brought of a partition; nothing more is read of it until `accepted` has been called."""

    records: list[Any]
    end: int
    """Where it goes on: past what is no message too, as what others took back, and the marks of their transactions."""
    accepted: Callable[[], None]
    current: Callable[[], bool]
    """Whether the partition has been ours all the time since: otherwise somebody has read it elsewhere, or anew."""


class Inputs:
    """What has arrived of the owned inputs, gathered for one taker."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._era = 0
        self._arrived: dict[TopicPartition, Fetch] = {}
        self._something = asyncio.Event()
        self._readers: dict[asyncio.Task[None], AIOKafkaConsumer] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def open(self, starts: Mapping[TopicPartition, int]) -> bool:
        """Read these from their offsets on, and nothing else; false: `close` came meanwhile. Raises KafkaError."""
        self.close()
        era = self._era
        connecting = (self._connect(tp, offset) for tp, offset in starts.items())
        consumers = await asyncio.gather(*connecting, return_exceptions=True)
        failed = [c for c in consumers if isinstance(c, BaseException)]
        connected = [c for c in consumers if not isinstance(c, BaseException)]
        if failed or era != self._era:
            await asyncio.gather(*(consumer.stop() for consumer in connected))
            if failed:
                raise failed[0]
            return False
        for tp, consumer in zip(starts, connected, strict=True):
            reader = asyncio.create_task(self._read(tp, consumer), name=f"{tp.topic}-{tp.partition}")
            reader.add_done_callback(_ended)
            self._readers[reader] = consumer
        return True

    def close(self) -> None:
        """Read nothing any more, from now on; what was not taken is forgotten."""
        self._era += 1
        for reader, consumer in self._readers.items():
            reader.cancel()
            leaving = asyncio.create_task(_leave(consumer))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        self._readers = {}
        self._arrived = {}

    async def stop(self) -> None:
        """Close, and disconnect."""
        self.close()
        await asyncio.gather(*self._leaving)

    async def take(self, seconds: float) -> dict[TopicPartition, Fetch]:
        """What has arrived; nothing where nothing comes within `seconds`."""
        if not self._arrived:
            self._something.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._something.wait()
        arrived, self._arrived = self._arrived, {}
        return arrived

    async def _connect(self, tp: TopicPartition, offset: int) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",  # producers of others may take back what they sent in a transaction
            auto_offset_reset="none",  # a position that the log does not have is an error, never a silent jump
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        consumer.assign([tp])
        consumer.seek(tp, offset)
        return consumer

    async def _read(self, tp: TopicPartition, consumer: AIOKafkaConsumer) -> None:
        era, end = self._era, await consumer.position(tp)
        while True:
            records = await _fetch(tp, consumer)
            before, end = end, await consumer.position(tp)
            if end > before:
                consumer.pause(tp)
                fetched_at = time.monotonic()
                accepted = asyncio.Event()
                self._arrived[tp] = Fetch(records, end, accepted.set, lambda: era == self._era)
                self._something.set()
                await accepted.wait()
                await asyncio.sleep(fetched_at + GATHER - time.monotonic())
                consumer.resume(tp)


async def _fetch(tp: TopicPartition, consumer: AIOKafkaConsumer) -> list[Any]:
    try:
        found: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=round(SILENT * 1000))
    except OffsetOutOfRangeError as error:
        stop_process(REFUSED, f"{tp.topic}-{tp.partition} does not have what was not read yet: {error}")
    except KafkaError as error:
        log.warning("%s-%d cannot be read: %r", tp.topic, tp.partition, error)
        await asyncio.sleep(AGAIN)
        return []
    return found.get(tp, [])


async def _leave(consumer: AIOKafkaConsumer) -> None:
    with suppress(KafkaError):
        await consumer.stop()


def _ended(reader: asyncio.Task[None]) -> None:
    """A reader never ends by itself: its partition would stand still."""
    if not reader.cancelled() and (error := reader.exception()):
        stop_process(CRASHED, f"{reader.get_name()} is not read any more: {error!r}")
