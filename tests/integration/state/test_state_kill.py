"""kill -9 at every step of a batch."""

import asyncio
from typing import Any

import pytest


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
