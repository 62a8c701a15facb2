"""A table made anew: from its input, and from its changelog. Messages are as aiokafka's consumer gives them."""

from collections.abc import Iterable
from typing import Any

from streams.app import Plan
from streams.settings import Settings
from streams.stages.incoming import Incoming
from streams.stages.loop import Loop
from streams.state.memory import MemoryPartition
from streams.state.store import FIRST_KEY
from tests.simulated.node import content, feed, stage


def from_input(plan: Plan, settings: Settings, number: int, log: Iterable[Any]) -> dict[bytes, bytes]:
    """What the table of partition `number` holds after this input."""
    fresh = MemoryPartition(number)
    loop = Loop(stage(plan.table, plan.source, lambda partition: plan.logic(partition, settings)), fresh, _nothing)
    feed(loop, [Incoming(record.offset, record.timestamp, record.value or b"") for record in log])
    return dict(content(fresh))


def from_changelog(plan: Plan, log: Iterable[Any]) -> dict[bytes, bytes]:
    """What a table holds after these changes."""
    fresh = MemoryPartition()
    for record in log:
        key, value = record.key, record.value
        if key and key >= FIRST_KEY:
            for changed, new in (*plan.derive(key, fresh.get(key), value), (key, value)):
                fresh._set(changed, new)
    return dict(content(fresh))


async def _nothing(*_: Any) -> None:
    """What a replay would send was sent long ago."""
