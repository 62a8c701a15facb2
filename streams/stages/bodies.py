"""Calls and payloads in memory, of those that will soon be given to a worker: the newest, as far as there is room.

A line that nobody serves must not hold the room for ever.
"""

from collections import OrderedDict

from pipelines.model import UNATTENDED
from streams.engine.records import Execution, State

Body = tuple[bytes, bytes]
"""Call and payload, JSON."""

ROOM = 24 * 1024 * 1024
"""Bytes that are kept of one table. More made a flood of 100,000 quicker by 3 %, and all slower by more than that where
a million wait: what comes is then scattered over the places of what leaves."""

LARGEST = 4_096
"""Bytes of the largest body that is kept."""

OVERHEAD = 300
"""Bytes of memory that a body takes besides, roughly."""

SOON = frozenset({State.WAITING, State.BLOCKED})
"""States in which an execution is made that is likely to be given out soon; others wait for a time, or for nobody."""


class Bodies:
    """Those of one table, of which at most `room` bytes are kept."""

    __slots__ = ("_kept", "_near", "room")

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        """Bytes that are left."""
        self._kept: OrderedDict[bytes, Body] = OrderedDict()
        self._near: dict[bytes, Body] = {}  # others, that may be given out before the next save

    def __contains__(self, execution: bytes) -> bool:
        return execution in self._kept

    def keep(self, made: Execution, body: Body) -> None:
        """Remember the body of one that was made, if it is small and a worker will soon have it; the oldest leave."""
        size = _size(body)
        if made.state in SOON and made.kind not in UNATTENDED and size <= LARGEST + OVERHEAD:
            self.drop(made.id)
            self._kept[made.id] = body
            self.room -= size
            while self.room < 0:
                self.room += _size(self._kept.popitem(last=False)[1])

    def read_ahead(self, bodies: dict[bytes, Body]) -> None:
        """Remember these until the next save."""
        self._near.update(bodies)

    def give_out(self, execution: bytes) -> Body | None:
        """What is remembered, once: nobody asks again soon."""
        if body := self._kept.pop(execution, None):
            self.room += _size(body)
            return body
        return self._near.get(execution)

    def drop(self, execution: bytes) -> None:
        """Remember nothing of it."""
        self.give_out(execution)
        self._near.pop(execution, None)

    def saved(self) -> None:
        """What was read ahead has been given out, or will not be soon."""
        self._near.clear()


def _size(body: Body) -> int:
    return len(body[0]) + len(body[1]) + OVERHEAD
