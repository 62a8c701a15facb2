"""kill -9 at every step of a batch."""

import asyncio
from typing import Any

import pytest

from streams.state.store import Store


@pytest.mark.parametrize("step", ["outputs", "changelog", "store"])
async def test_i6_a_process_killed_inside_a_batch_loses_and_repeats_nothing(ground: Any, step: str) -> None:
    """Whatever step it dies at, the next owner goes on where the changelog says."""
    doomed = ground.start(DIE_AT=step, DIE_BATCH="3", STANDBYS="0")
    await ground.owns(doomed)
    for number in range(30):
        await ground.send([b"w%d" % (number % 5), b"!w3", b"x"], partition=number % 2)
        await asyncio.sleep(0.02)
    assert await ground.ended(doomed) == -9

    heir = ground.start(STANDBYS="0")
    await ground.owns(heir)
    await ground.settled()
    await ground.stop(heir)
    await ground.check("a")
    for partition, words in ground.sent.items():
        outputs = [record.value for record in await ground.read(f"{ground.namespace}.out", partition)]
        assert set(words) <= set(outputs)
        assert len(outputs) >= len(words)


@pytest.mark.parametrize("step", ["records", "derived"])
async def test_i6_a_process_killed_while_it_rebuilds_a_table_leaves_one_that_is_rebuilt(ground: Any, step: str) -> None:
    """In the middle of the records, or of deriving from them; what comes later reaches the half that is there."""
    room = await ground.room("b")
    await room.take({ground.tp(0), ground.tp(1)}, set())
    for partition in (0, 1):
        await ground.work(room, [b"w%d" % (n % 30) for n in range(100)], partition)

    doomed = ground.start(DIE_AT=step, STANDBYS="0")
    assert await ground.ended(doomed) == -9
    half = [Store(ground.path(partition)) for partition in (0, 1)]
    assert any(store.bare and store.marker > 0 for store in half)
    for store in half:
        store.close()

    await ground.close(room)
    room = await ground.room("b")
    await room.take({ground.tp(0), ground.tp(1)}, set())
    for partition in (0, 1):
        await ground.work(room, [b"!w3", b"w4", b"w31"], partition)
    await ground.close(room)
    await ground.check("a", "b")
