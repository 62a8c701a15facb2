"""Between Faust and the loops: what arrives is handed on, whatever it is."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import msgspec
from simulated.node import handle

from streams.engine.events import Refused
from streams.settings import Settings
from streams.stages.feed import Feed
from streams.stages.incoming import Send
from streams.stages.loop import Stage
from streams.stages.submit import Submit
from streams.state.inputs import Fetch
from streams.state.memory import MemoryPartition


class Stream:
    """Events as Faust's stream gives them."""

    def __init__(self, *values: bytes | None, current: bool = True) -> None:
        self._values = values
        self.current = current

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        """One event: all came with one fetch."""
        records = [SimpleNamespace(offset=o, timestamp=1_500, value=value) for o, value in enumerate(self._values)]
        fetch = Fetch(records, len(records), print, lambda: self.current)
        yield SimpleNamespace(message=SimpleNamespace(partition=0), value=fetch)


async def test_i11_a_message_without_a_value_becomes_a_dead_letter() -> None:
    """Any Kafka client can send one to the public topic; it stops nothing."""
    sent: list[Send] = []

    async def keep(sends: list[Send]) -> None:
        sent.extend(sends)

    partition = MemoryPartition()
    feed = Feed(Stage("submit", "in", "dead", lambda p: Submit(p, Settings())), keep, print)
    await feed.open(partition)
    await feed.agent(Stream(None, b"{}"))
    loop, task = feed._loops[0]
    await handle(loop)
    task.cancel()
    letters = [msgspec.json.decode(send.value, type=Refused) for send in sent]
    assert [(letter.offset, letter.first_bytes) for letter in letters] == [(0, ""), (1, "{}")]
    assert partition.marker == 1


async def test_i1_what_was_read_before_the_partition_changed_hands_is_dropped() -> None:
    """Its next owner, or we ourselves, read it again; behind a gap it would be taken for the next."""
    sent: list[Send] = []

    async def keep(sends: list[Send]) -> None:
        sent.extend(sends)

    feed = Feed(Stage("submit", "in", "dead", lambda p: Submit(p, Settings())), keep, print)
    await feed.open(MemoryPartition())
    await feed.agent(Stream(b"{}", current=False))
    loop, task = feed._loops[0]
    assert await handle(loop) == 0
    task.cancel()
