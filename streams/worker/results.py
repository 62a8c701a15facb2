"""Results and credits on their way back: whatever came up while the last batch was sent, together."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipelines.ids import home_of
from streams.engine.commands import Credit, Finished, Started
from streams.engine.records import Job
from streams.envelope import pack
from streams.settings import Settings
from streams.topics import Topics, pool_partition
from streams.worker.processes import Ended

_log = structlog.get_logger(__name__)

BUSY = 16
"""Results within a pause from which on the next batch is given a pause to grow: requests are what Kafka pays for."""

PAUSE = 0.02
"""Seconds."""

AGAIN = 0.2
"""Seconds until a batch that the broker refused is sent again."""


class Results:
    """Sends one incarnation's results to their homes, and its credits with them."""

    def __init__(
        self, producer: AIOKafkaProducer, settings: Settings, worker: str, news: Callable[[], int | None]
    ) -> None:
        topics = Topics.under(settings.namespace)
        self._producer, self._worker, self._news = producer, worker, news
        self._tasks, self._ready = topics.tasks, topics.ready
        self._homes, self._pool = settings.task_partitions, settings.pool
        self._partition = pool_partition(settings.pool, settings.ready_partitions)
        self._pending: list[Finished | Started] = []
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()

    def finished(self, ended: Ended) -> None:
        """Report an attempt's end."""
        job, outcome, at, seconds = ended
        self._pending.append(
            Finished(
                job.execution,
                job.attempt,
                self._worker,
                outcome.outcome,
                at,
                at + round(seconds * 1000),
                outcome.result,
                outcome.error,
                outcome.cut,
            )
        )
        self._wake.set()

    def started(self, job: Job, at: int) -> None:
        """Report that an attempt runs."""
        self._pending.append(Started(job.execution, job.attempt, self._worker, at))
        self._wake.set()

    def wake(self) -> None:
        """The credits may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        since, count = 0.0, 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            if (now := time.monotonic()) - since > PAUSE:
                since, count = now, 0
            await self._tell_credit()  # before the results that go with it, all in one request
            count += await self.flush()
            if count >= BUSY:
                await asyncio.sleep(PAUSE)

    async def flush(self) -> int:
        """Send what waits and await the broker's word, however long that takes; how many there were."""
        async with self._sending:
            batch, self._pending = self._pending, []
            while batch:
                try:
                    await self._send(batch)
                except KafkaError as error:
                    _log.warning("results could not be sent yet", results=len(batch), error=repr(error))
                    await asyncio.sleep(AGAIN)
                else:
                    break
            return len(batch)

    async def _send(self, batch: list[Finished | Started]) -> None:
        homes: dict[int, list[Finished | Started]] = {}
        for message in batch:
            homes.setdefault(home_of(message.id, self._homes), []).append(message)
        await asyncio.gather(
            *[
                await self._producer.send(self._tasks, data, partition=home)
                for home, together in homes.items()
                for data in pack(together)
            ]
        )

    async def _tell_credit(self) -> None:
        if (limit := self._news()) is None:
            return
        data = msgspec.msgpack.encode([Credit(self._worker, self._pool, limit)])
        try:
            sent = await self._producer.send(self._ready, data, partition=self._partition)
        except KafkaError as error:
            _log.warning("credits could not be sent; the next beat has them", error=repr(error))
        else:
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())


def now_ms() -> int:
    """Epoch milliseconds."""
    return round(time.time() * 1000)
