"""What a stage declares of a table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streams.state.partition import Derive, Partition

OnOpen = Callable[[Partition], Awaitable[None]]
OnClose = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: co-partitioned with its input topic `source`, kept in the topic `changelog`."""

    name: str
    source: str
    partitions: int
    changelog: str
    derive: Derive
    on_open: OnOpen
    on_close: OnClose
    holes: bool = False
    """Whether others write to its input too, in transactions perhaps, whose marks take offsets that hold no message."""
