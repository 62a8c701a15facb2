"""Reading changelogs, outside of any consumer group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

FETCH_BYTES = 4 * 1024 * 1024
CHUNK = 2_000
"""Records handed out at a time: some 20 ms of work."""


class Extent(NamedTuple):
    """The offsets a log partition has: from `start` on, before `end`."""

    start: int
    end: int


@dataclass(slots=True)
class Reader:
    """A plain consumer of assigned partitions."""

    _consumer: AIOKafkaConsumer

    @classmethod
    async def connect(cls, bootstrap: str, wait_ms: int) -> "Reader":
        """Connect; a fetch waits at most `wait_ms` for something new."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",  # a position that the log does not have is an error, never a silent jump
            fetch_max_wait_ms=wait_ms,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        return cls(consumer)

    async def extents(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Extent]:
        """What the logs hold at this moment."""
        asked = list(partitions)
        if not asked:
            return {}
        starts = await self._consumer.beginning_offsets(asked)
        ends = await self._consumer.end_offsets(asked)
        return {tp: Extent(starts[tp], ends[tp]) for tp in asked}

    def start_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions, each from its offset on, and no others."""
        self._consumer.assign(list(positions))
        for tp, offset in positions.items():
            self._consumer.seek(tp, offset)

    async def read(self, partitions: Iterable[TopicPartition], timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        """Some records of some of `partitions`; nothing where nothing came in time."""
        records: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=CHUNK
        )
        return records

    def end_of(self, tp: TopicPartition) -> int:
        """Where the log ended when it was last read."""
        end: int | None = self._consumer.highwater(tp)
        return 0 if end is None else end

    async def close(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
