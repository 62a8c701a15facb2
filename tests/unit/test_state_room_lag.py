from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from streams.app import plans
from streams.settings import Settings
from streams.state.room import Room
from streams.state.table import Table


class Reader:
    """Each log goes on to 12; where others write, the last offset is the mark of a transaction."""

    async def extents(self, tps: Any) -> dict[TopicPartition, SimpleNamespace]:
        """Where logs end."""
        return {tp: SimpleNamespace(end=12) for tp in tps}


async def test_a_mark_at_the_end_of_a_log_is_no_standstill() -> None:
    """No reader ever gets it: a scheduler that is judged by it would end once a minute."""
    room: Any = Room("", "n", 1, Path("/nowhere"), lambda *_: None)
    for plan in plans(Settings()):
        log = f"n.{plan.table}-changelog"
        room.declare(Table(plan.table, plan.source, 1, log, plan.derive, None, None, not plan.logic.strict))  # type: ignore[arg-type]
        room._actives[TopicPartition(log, 0)] = SimpleNamespace(marker=10)
    room._standby_reader = Reader()
    judged = await room.lag()
    assert {tp.topic: lag for tp, lag in judged.items()} == {"headrace.tasks": (11, 12), "headrace.ready": (11, 12)}
