"""Between Faust and the loops: an agent hands what arrives to the loop of its partition."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from streams.stages.incoming import Incoming
from streams.stages.loop import Loop, Sender, Stage
from streams.state.partition import ClosedError, Partition

log = structlog.get_logger("headrace.stage")


class Nearby:
    """The stages of this process: what one of them has written into another's log need not be fetched first."""

    def __init__(self) -> None:
        self.feeds: dict[str, Feed] = {}

    def __call__(self, topic: str, partition: int, message: Incoming) -> None:
        """See `Near`."""
        if feed := self.feeds.get(topic):
            feed.near(partition, message)


class Feed:
    """The loops of one stage, one for each partition that this process owns."""

    def __init__(self, stage: Stage, send: Sender, fail: Callable[[str], None]) -> None:
        self.stage = stage
        self._send, self._fail = send, fail
        self._loops: dict[int, tuple[Loop, asyncio.Task[None]]] = {}

    @property
    def partitions(self) -> list[int]:
        """What this process owns now."""
        return sorted(self._loops)

    async def open(self, partition: Partition) -> None:
        """A partition is ours, and its table is complete."""
        self.close(partition.number)
        loop = Loop(self.stage, partition, self._send)
        task = asyncio.create_task(loop.run(), name=f"{self.stage.name}-{partition.number}")
        task.add_done_callback(partial(self._ended, partition.number))
        self._loops[partition.number] = loop, task

    def close(self, number: int) -> None:
        """A partition is no longer ours: what it had not made durable is done again by its next owner."""
        if found := self._loops.pop(number, None):
            found[1].cancel()

    def near(self, number: int, message: Incoming) -> None:
        """A message that this process has just written into a partition's log, which comes by the agent as well."""
        if found := self._loops.get(number):
            found[0].near(message)

    async def agent(self, stream: Any) -> None:
        """The Faust agent; an event is what one fetch brought of a partition. It waits for no loop."""
        async for event in stream.events():
            fetch, found = event.value, self._loops.get(event.message.partition)
            if found and fetch.current():
                # a message without a value is refused like an empty one
                messages = [Incoming(r.offset, r.timestamp, r.value or b"") for r in fetch.records]
                found[0].put(messages, fetch.accepted, fetch.end)

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if task.cancelled() or number not in self._loops or self._loops[number][1] is not task:
            return
        error = task.exception()
        if isinstance(error, ClosedError):
            return
        log.error("a stage stops", stage=self.stage.name, partition=number, exc_info=error)
        self._fail(f"stage {self.stage.name}, partition {number}: {error}")
