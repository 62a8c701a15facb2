"""What Faust does otherwise: each of these fails without its mend in faust_fixes."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.state import inputs
from streams.state.faust_fixes import Consumer, hush
from streams.state.inputs import Inputs


async def commit(ground: Any, topic: str, offset: int) -> None:
    """Commit for the app's group, which must be empty."""
    tp = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.bootstrap, group_id=f"{ground.namespace}-test")
    await consumer.start()
    consumer.assign([tp])
    await consumer.commit({tp: OffsetAndMetadata(offset, "")})
    await consumer.stop()


async def committed(ground: Any, topic: str) -> int | None:
    """What the app's group has committed."""
    found = await ground.admin.list_consumer_group_offsets(f"{ground.namespace}-test")
    return found[TopicPartition(topic, 0)].offset if TopicPartition(topic, 0) in found else None


async def test_inputs_start_where_the_table_says_whatever_is_committed(ground: Any) -> None:
    """Faust commits past what it skipped at a rebalance."""
    await ground.send([b"a", b"b", b"c"])
    await commit(ground, ground.source, 2)
    process = ground.start()
    await ground.owns(process)
    await ground.settled()
    await ground.stop(process)
    await ground.check("a")


async def test_what_is_committed_is_what_the_table_has(ground: Any) -> None:
    """So that lag means what people think it means."""
    process = ground.start()
    await ground.owns(process)
    await ground.send([b"a", b"b", b"c"])
    await ground.settled()
    await ground.stop(process)
    assert await committed(ground, ground.source) == 3


async def test_holes_in_an_input_are_passed(ground: Any) -> None:
    """Transactions leave offsets that no reader ever gets; what was sent in one that was taken back is not read."""
    process = ground.start()
    await ground.owns(process)
    async with AIOKafkaProducer(bootstrap_servers=ground.bootstrap, transactional_id=ground.namespace) as producer:
        for word in (b"a", b"b"):
            async with producer.transaction():
                await producer.send_and_wait(ground.source, word, partition=0)
            ground.sent[0] += [word]
        await producer.begin_transaction()
        await producer.send_and_wait(ground.source, b"taken back", partition=0)
        await producer.abort_transaction()
    last = await ground.producer.send_and_wait(ground.source, b"c", partition=0)  # the abort's mark may follow it
    ground.sent[0] += [b"c"]
    while await ground.marker(0) < last.offset:
        ground.check_alive()
        await asyncio.sleep(0.1)
    await ground.stop(process)
    await ground.check("a")


async def test_holes_at_the_end_of_an_input_are_passed_too(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what retention takes away of it later, of which there was nothing to read, would look like a loss."""
    monkeypatch.setattr(inputs, "SILENT", 0.2)
    source = TopicPartition(ground.source, 0)
    read = Inputs(ground.bootstrap)
    await read.open({source: 0})
    async with AIOKafkaProducer(bootstrap_servers=ground.bootstrap, transactional_id=ground.namespace) as producer:
        async with producer.transaction():
            await producer.send_and_wait(ground.source, b"a", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(ground.source, b"taken back", partition=0)
        await producer.abort_transaction()
    words, end = [], 0
    async with asyncio.timeout(30):
        while end < 4:
            for fetch in (await read.take(1.0)).values():
                words += [record.value for record in fetch.records]
                end = fetch.end
                fetch.accepted()
    assert words == [b"a"]
    await read.stop()


async def test_who_owned_nothing_reads_at_once_what_becomes_its_own(ground: Any) -> None:
    """A standby's takeover; Faust looks once a second whether there is anything to be read."""
    read = Inputs(ground.bootstrap)
    idle = SimpleNamespace(
        app=SimpleNamespace(inputs=read, client_only=False),
        flow_active=True,
        not_waiting_next_records=asyncio.Event(),
        sleep=asyncio.sleep,
        _get_active_partitions=set,
    )
    reading = asyncio.create_task(Consumer._wait_next_records(idle, 3600.0))  # what Faust calls
    await asyncio.sleep(0)
    await ground.send([b"a"])
    await read.open({TopicPartition(ground.source, 0): 0})
    async with asyncio.timeout(30):
        found, _ = await reading
    assert [record.value for [event] in found.values() for record in event.value.records] == [b"a"]
    await read.stop()


def test_aiokafka_makes_no_debug_records_on_the_hot_path() -> None:
    """A level left at debug costs a tenth of a busy scheduler."""
    logger = logging.getLogger("aiokafka.producer.sender")
    logger.setLevel(logging.DEBUG)
    hush()
    assert not logger.isEnabledFor(logging.INFO)
