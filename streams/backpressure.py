"""Keeps a client from sending much faster than the scheduler reads.

Results stand in the same log as submissions. Behind a hundred thousand of these they would wait for seconds, and so
would whatever is critical; each execution would be put into the line, written, and read again. See
docs/performance.md for what that costs.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.acknowledged import Word, has_failed
from streams.settings import Settings
from streams.topics import Topics, group

Tell: TypeAlias = Callable[[Mapping[int, Word]], None]
"""Takes the last word on each partition."""

LOOK = 0.03
"""Seconds between two looks at how far the scheduler is."""

PATIENCE = 2.0
"""Seconds without headway after which nobody waits any more: what is sent is as durable without a scheduler."""

BLIND = 2.0
"""Seconds without another look after one that failed; nobody waits meanwhile."""

REQUEST_MS = 1000
"""Milliseconds after which a broker that does not answer counts as away."""

log = logging.getLogger(__name__)


class Backpressure:
    """What one client has sent in bulk to each partition of tasks and is not read yet, by the scheduler's own word.

    That word is what the scheduler's consumer group has committed, which is what its table has. Where it cannot be
    learned, or does not move, nobody waits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic, self._group = Topics.under(settings.namespace).tasks, group(settings, "scheduler")
        self._lanes: defaultdict[int, _Lane] = defaultdict(_Lane)
        self._turn = asyncio.Lock()
        self._admin: AIOKafkaAdminClient | None = None
        self._coordinator: int | None = None
        self._blind_until = 0.0
        self._stopping = False

    @asynccontextmanager
    async def room(self, counts: Mapping[int, int], unread: int) -> AsyncIterator[Tell]:
        """Wait until each partition that is to get something has its share of `unread`, or less, unread.

        `counts`: how many tasks each is to get. They count from here on; who has sent them tells what to go by.
        """
        async with self._turn:  # one after the other, so that all see what the others are about to send
            await self._wait(set(counts), unread // self._settings.task_partitions)
            bulks = {home: self._lanes[home].add(count) for home, count in counts.items()}

        def tell(words: Mapping[int, Word]) -> None:
            for home, bulk in bulks.items():
                bulk.word = words[home]

        try:
            yield tell
        finally:
            for bulk in bulks.values():
                bulk.is_leaving = False

    async def stop(self) -> None:
        """Disconnect; who waits does not wait any more."""
        self._stopping = True
        async with self._turn:
            await self._disconnect()
            self._lanes.clear()
        self._stopping = False

    async def _wait(self, homes: set[int], share: int) -> None:
        while not self._stopping and time.monotonic() > self._blind_until:
            if not any(self._lanes[home].unread > share for home in homes):
                return
            await self._look()
            if not any(self._lanes[home].holds_up(share) for home in homes):
                return
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        try:
            read = await self._committed()
        except KafkaError as error:
            log.info("how far the scheduler has read cannot be learned: %r", error)
            self._blind_until = time.monotonic() + BLIND
            self._lanes.clear()
            await self._disconnect()
            return
        for home, lane in self._lanes.items():
            lane.read(read.get(home, 0))

    async def _committed(self) -> dict[int, int]:
        """The next offset that is to be read, of each partition that has one. Raises KafkaError."""
        if self._admin is None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka, request_timeout_ms=REQUEST_MS)
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        if self._coordinator is None:
            self._coordinator = await self._admin.find_coordinator(self._group)
        found = await self._admin.list_consumer_group_offsets(self._group, self._coordinator)
        if not found:
            self._coordinator = None  # one that is no coordinator any more says so nowhere else
        return {tp.partition: at.offset for tp, at in found.items() if tp.topic == self._topic}

    async def _disconnect(self) -> None:
        admin, self._admin, self._coordinator = self._admin, None, None
        if admin is not None:
            await admin.close()


class _Bulk:
    """Tasks that leave together."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.word: Word | None = None
        self.is_leaving = True

    def is_settled(self, following: int) -> bool:
        """Whether they were read, or nobody will say so."""
        if self.word is None:
            return not self.is_leaving
        word = self.word
        return has_failed(word) or (word.done() and word.result().offset < following)


class _Lane:
    """What was sent to one partition, oldest first."""

    def __init__(self) -> None:
        self.unread = 0
        self._sent: deque[_Bulk] = deque()
        self._following = 0
        self._moved_at = 0.0

    def add(self, count: int) -> _Bulk:
        if not self._sent:
            self._moved_at = time.monotonic()  # before that nothing had to move
        bulk = _Bulk(count)
        self._sent.append(bulk)
        self.unread += count
        return bulk

    def read(self, following: int) -> None:
        """All before `following` has been read."""
        if following < self._following:  # the topic was made anew: what is known of the old one says nothing
            self._sent.clear()
            self.unread = 0
        if following != self._following:
            self._following, self._moved_at = following, time.monotonic()
        while self._sent and self._sent[0].is_settled(following):
            self.unread -= self._sent.popleft().count

    def holds_up(self, share: int) -> bool:
        return self.unread > share and time.monotonic() < self._moved_at + PATIENCE
