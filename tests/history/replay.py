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


class FromInput:
    """What the table of partition `number` holds after the input taken so far; it comes in order, in pieces."""

    def __init__(self, plan: Plan, settings: Settings, number: int) -> None:
        self._fresh = MemoryPartition(number)
        self._loop = Loop(
            stage(plan.table, plan.source, lambda partition: plan.logic(partition, settings)), self._fresh, _nothing
        )

    def take(self, log: Iterable[Any]) -> None:
        """The next messages."""
        feed(self._loop, [Incoming(record.offset, record.timestamp, record.value or b"") for record in log])
        self._fresh.log.clear()

    def table(self) -> dict[bytes, bytes]:
        """As it is now."""
        return dict(content(self._fresh))


class FromChangelog:
    """What a table holds after the changes taken so far; they come in order, in pieces."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._fresh = plan, MemoryPartition()

    def take(self, log: Iterable[Any]) -> None:
        """The next changes."""
        for record in log:
            key, value = record.key, record.value
            if key and key >= FIRST_KEY:
                for changed, new in (*self._plan.derive(key, self._fresh.get(key), value), (key, value)):
                    self._fresh._set(changed, new)

    def table(self) -> dict[bytes, bytes]:
        """As it is now."""
        return dict(content(self._fresh))


def from_input(plan: Plan, settings: Settings, number: int, log: Iterable[Any]) -> dict[bytes, bytes]:
    """What the table of partition `number` holds after this input."""
    made = FromInput(plan, settings, number)
    made.take(log)
    return made.table()


def from_changelog(plan: Plan, log: Iterable[Any]) -> dict[bytes, bytes]:
    """What a table holds after these changes."""
    made = FromChangelog(plan)
    made.take(log)
    return made.table()


async def _nothing(*_: Any) -> None:
    """What a replay would send was sent long ago."""
