"""What Faust's rebalances may do to the opening of tables: the order of a race, which no cluster repeats."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.state.faust_fixes import Interrupted, Recovery

TASKS = TP("tasks-changelog", 0)


class Room:
    """Notes what it is told to open."""

    def __init__(self) -> None:
        self.taken: list[set[TP]] = []

    def give_up(self) -> None:
        """It has nothing."""

    async def take(self, actives: set[TP], _standbys: set[TP]) -> dict[TP, int]:
        """Nothing to read."""
        self.taken.append(actives)
        return {}


async def test_a_share_that_is_revoked_while_faust_is_paused_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another process's by the time it was; what is assigned next is opened as ever."""
    room = Room()
    conf, inputs = SimpleNamespace(stream_recovery_delay=0.0), SimpleNamespace(close=lambda: None)
    app: Any = SimpleNamespace(conf=conf, room=room, inputs=inputs, consumer=None, consumer_generation_id=1)
    recovery = Recovery(app, None)
    recovery._wanted = {TASKS}, set()

    async def revoked(_consumer: object) -> None:
        recovery.on_partitions_revoked({TASKS})

    monkeypatch.setattr(Recovery, "_pause", staticmethod(revoked))
    with pytest.raises(Interrupted):
        await recovery._open(1)
    assert room.taken == []
