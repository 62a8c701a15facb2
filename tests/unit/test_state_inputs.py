"""Reading inputs: each for itself, and only while they are ours."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.state import inputs
from streams.state.inputs import GATHER, Inputs

A, B = TopicPartition("in", 0), TopicPartition("in", 1)


class Consumer:
    """A partition that gets a record each millisecond, until it breaks."""

    def __init__(self, tp: TopicPartition, *, broken: bool = False) -> None:
        self.tp, self.broken, self.stopped, self.reads = tp, broken, False, 0
        self.paused, self.began, self.given = False, time.monotonic(), 0

    def pause(self, tp: TopicPartition) -> None:
        """Fetch nothing."""
        self.paused = tp == self.tp

    def resume(self, tp: TopicPartition) -> None:
        """Fetch again."""
        self.paused = self.paused and tp != self.tp

    async def position(self, _tp: TopicPartition) -> int:
        """Where it goes on."""
        return self.given

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Any]]:
        """What has come; at least one."""
        assert not self.paused
        if self.broken:
            raise ValueError("a bug")
        self.reads += 1
        await asyncio.sleep(self.began + (self.given + 1) / 1000 - time.monotonic())
        come = int((time.monotonic() - self.began) * 1000)
        given, self.given = self.given, come
        return {self.tp: [SimpleNamespace(offset=offset) for offset in range(given, come)]}

    async def stop(self) -> None:
        """Disconnect."""
        self.stopped = True


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> list[Consumer]:
    """Those that were connected; connecting takes a moment."""
    made: list[Consumer] = []

    async def connect(_self: Inputs, tp: TopicPartition, offset: int) -> Consumer:
        await asyncio.sleep(0.01)
        if offset < 0:
            raise ConnectionError("no broker")
        made.append(Consumer(tp, broken=offset > 0))
        return made[-1]

    monkeypatch.setattr(Inputs, "_connect", connect)
    return made


async def test_a_fetch_brings_what_came_since_the_last_one(consumers: list[Consumer]) -> None:
    """The next one is not made at once, so that it brings more."""
    read = Inputs("")
    assert await read.open({A: 0})
    first = (await read.take(1))[A]
    first.accepted()
    second = (await read.take(1))[A]
    assert len(second.records) >= GATHER * 1000 - 1
    assert second.records[0].offset == first.records[-1].offset + 1
    await read.stop()
    assert consumers[0].reads == 2


async def test_a_partition_waits_until_its_last_fetch_was_accepted_and_for_no_other(consumers: list[Consumer]) -> None:
    """One that nobody takes on does not hold up the others."""
    read = Inputs("")
    assert await read.open({A: 0, B: 0})
    first = await read.take(1)
    assert {tp: fetch.records[0].offset for tp, fetch in first.items()} == {A: 0, B: 0}
    for _ in range(3):
        seen = first[B].records[-1].offset
        first[B].accepted()
        first |= await read.take(1)
        assert first[B].records[0].offset == seen + 1
    assert [c.reads for c in consumers if c.tp == A] == [1]
    await read.stop()
    assert all(consumer.stopped for consumer in consumers)


async def test_what_is_closed_while_it_opens_is_not_read(consumers: list[Consumer]) -> None:
    """A rebalance may come while connections are made: those are let go, and the caller hears of it."""
    read = Inputs("")
    opening = asyncio.create_task(read.open({A: 0, B: 0}))
    await asyncio.sleep(0)
    read.close()
    assert not await opening
    assert (len(consumers), await read.take(0.01)) == (2, {})
    assert all(consumer.stopped for consumer in consumers)


async def test_a_fetch_of_an_earlier_era_is_not_current(consumers: list[Consumer]) -> None:
    """What is still on its way when the partition changes hands must not be taken for what follows."""
    read = Inputs("")
    await read.open({A: 0})
    old = (await read.take(1))[A]
    assert old.current()
    await read.open({A: 0})
    new = (await read.take(1))[A]
    assert (old.current(), new.current()) == (False, True)
    await read.stop()
    assert len(consumers) == 2


async def test_where_one_cannot_be_connected_none_stays(consumers: list[Consumer]) -> None:
    """The error is told, and nothing is left open."""
    read = Inputs("")
    with pytest.raises(ConnectionError, match="no broker"):
        await read.open({A: 0, B: -1})
    assert [consumer.stopped for consumer in consumers] == [True]


async def test_a_reader_that_dies_ends_the_process(consumers: list[Consumer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its partition would stand still, and nobody would know why."""
    said: list[str] = []
    monkeypatch.setattr(inputs, "stop_process", lambda _status, sentence: said.append(sentence))
    read = Inputs("")
    await read.open({A: 1})
    await asyncio.sleep(0.01)
    assert said == ["in-0 is not read any more: ValueError('a bug')"]
    await read.stop()
    assert len(consumers) == 1
