"""The one writer of a changelog partition, fenced by its producer's epoch."""

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from streams.state.faust_fixes import fenced_producer
from streams.state.partition import BatchTooLargeError, Change, StateError
from streams.state.store import FENCE, Position

RENEW_AFTER = 6 * 3600.0
"""Seconds. Brokers forget an idle producer after a day and an idle transactional id after a week by default; a
forgotten one fences nobody."""

STOP_TIMEOUT = 5.0
UNKNOWN = -1


class FencedError(StateError):
    """Another process has taken the changelog partition over; the broker refuses this one for good."""


def _fence(epoch: int) -> Change:
    """The record that says, to brokers by its epoch and to people by its text, who the owner is."""
    return FENCE, f"{socket.gethostname()} pid {os.getpid()} epoch {epoch}".encode()


@dataclass(slots=True)
class Writer:
    """Appends to one changelog partition, each time one whole record batch. Not for concurrent use."""

    bootstrap: str
    transactional_id: str
    topic: str
    partition: int
    _producer: AIOKafkaProducer = field(init=False)
    _epoch: int = field(init=False)
    _renewed_at: float = field(init=False)
    _next: int = field(init=False, default=UNKNOWN)

    @classmethod
    async def take_over(cls, bootstrap: str, transactional_id: str, topic: str, partition: int) -> Self:
        """Become the writer: when this returns, the broker refuses all earlier ones and the log's end stands still."""
        writer = cls(bootstrap, transactional_id, topic, partition)
        await writer._start()
        return writer

    async def append(self, records: list[Change]) -> Position:
        """Append `records` as one batch, whole or not at all; where and when the last of them is.

        Raises BatchTooLargeError before anything is sent, FencedError, StateError where the broker refuses it.
        """
        batch = self._producer.create_batch()
        now = int(time.time() * 1000)
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=now) is None:
                raise BatchTooLargeError(f"{len(records)} records do not fit into one record batch; split the input")
        batch.close()
        try:
            sent = await self._producer.send_batch(batch, self.topic, partition=self.partition)
            first = (await sent).offset
        except ProducerFenced as error:
            raise FencedError(f"another process owns {self.topic}-{self.partition} now") from error
        except KafkaError as error:
            raise StateError(f"{self.topic}-{self.partition} refused {len(records)} records: {error!r}") from error
        return self._follow(first, Position(first + len(records) - 1, at=now, fresh=now))

    def due(self) -> bool:
        """Whether it is time to `renew`."""
        return time.monotonic() - self._renewed_at > RENEW_AFTER

    async def renew(self) -> Position:
        """Take over from oneself, so that the broker does not forget who the owner is. The fence record's position.

        Raises FencedError where another process has taken over meanwhile.
        """
        # a new epoch alone would push out whoever has taken over; an append with the old one is refused then
        await self.append([_fence(self._epoch)])
        old = self._producer
        position = await self._start()
        await _stop(old)
        return position

    async def close(self) -> None:
        """Let the connection go; the partition stays fenced against older writers."""
        await _stop(self._producer)

    def _follow(self, first: int, last: Position) -> Position:
        # the log is ours alone: an offset between our batches means that somebody else's batch is there
        if self._next not in (UNKNOWN, first):
            raise FencedError(f"another process wrote to {self.topic}-{self.partition} at {self._next}")
        self._next = last.offset + 1
        return last

    async def _start(self) -> Position:
        self._producer, self._epoch = await fenced_producer(self.bootstrap, self.transactional_id)
        self._renewed_at = time.monotonic()
        return await self.append([_fence(self._epoch)])


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer, not waiting for a broker that does not answer."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_TIMEOUT)
    except (TimeoutError, KafkaError):
        return
