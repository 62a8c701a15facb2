"""Keeps a client from sending much faster than the scheduler reads.

Results stand in the same log as submissions. Behind a hundred thousand of these they would wait for seconds, and so
would whatever is critical; each execution would be put into the line, written, and read again. See
docs/performance.md for what that costs.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from streams.settings import Settings
from streams.topics import Topics, group

Word: TypeAlias = "asyncio.Future[RecordMetadata]"
"""What the broker will say of a message."""

LOOK = 0.03
"""Seconds between two looks at how far the scheduler is."""

PATIENCE = 2.0
"""Seconds without headway after which nobody waits any more: what is sent is as durable without a scheduler."""

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
        self._admin: AIOKafkaAdminClient | None = None
        self._one_looks = asyncio.Lock()

    def sent(self, home: int, count: int, word: Word) -> None:
        """`count` submissions went to a partition; `word` is what the broker will say of the last of them."""
        self._lanes[home].sent(count, word)

    async def room(self, unread: int) -> None:
        """Return as soon as no more than `unread` submissions stand on a partition whose scheduler gets on."""
        while any(lane.unread > unread for lane in self._lanes.values()):
            await self._look()
            if not any(lane.unread > unread and lane.moves() for lane in self._lanes.values()):
                return
            await asyncio.sleep(LOOK)

    async def stop(self) -> None:
        """Disconnect."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    async def _look(self) -> None:
        async with self._one_looks:
            try:
                async with asyncio.timeout(PATIENCE):
                    found = await self._committed()
            except (KafkaError, TimeoutError) as error:
                log.info("how far the scheduler has read cannot be learned: %r", error)
                found = {}
            for home, lane in self._lanes.items():
                at = found.get(TopicPartition(self._topic, home))
                lane.read(at.offset if at else 0)

    async def _committed(self) -> dict[TopicPartition, OffsetAndMetadata]:
        if self._admin is None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka)
            await admin.start()
            self._admin = admin
        found: dict[TopicPartition, OffsetAndMetadata] = await self._admin.list_consumer_group_offsets(self._group)
        return found


class _Lane:
    """What was sent to one partition, oldest first."""

    def __init__(self) -> None:
        self.unread = 0
        self._sent: deque[tuple[int, Word]] = deque()
        self._following = 0
        self._moved_at = 0.0

    def sent(self, count: int, word: Word) -> None:
        if not self._sent:
            self._moved_at = time.monotonic()  # before that nothing had to move
        self._sent.append((count, word))
        self.unread += count

    def read(self, following: int) -> None:
        """All before `following` has been read."""
        if following > self._following:
            self._following, self._moved_at = following, time.monotonic()
        while self._sent and _is_settled(self._sent[0][1], following):
            self.unread -= self._sent.popleft()[0]

    def moves(self) -> bool:
        return time.monotonic() < self._moved_at + PATIENCE


def _is_settled(word: Word, following: int) -> bool:
    """Whether it was read, or will never be."""
    return word.done() and (word.cancelled() or bool(word.exception()) or word.result().offset < following)
