"""What a stage needs of the state room. Everything else in this room is how."""

from collections.abc import Awaitable, Callable
from typing import Any

from streams.settings import Settings
from streams.state.app import make_app, run_app
from streams.state.faust_fixes import App, Fetched
from streams.state.memory import MemoryPartition
from streams.state.partition import (
    BATCH_BYTES,
    BatchTooLargeError,
    Change,
    ClosedError,
    Derive,
    Partition,
    StateError,
    batch_bytes,
)
from streams.state.table import Table

__all__ = [
    "BATCH_BYTES",
    "BatchTooLargeError",
    "Change",
    "ClosedError",
    "Derive",
    "MemoryPartition",
    "Partition",
    "StateError",
    "Tables",
    "batch_bytes",
    "make_app",
    "run_app",
]


class Tables:
    """The tables of one Faust app."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._namespace = settings.namespace

    def table(  # noqa: PLR0917  (they say what they are by their order: what, from where, how)
        self,
        name: str,
        source: str,
        partitions: int,
        derive: Derive,
        on_open: Callable[[Partition], Awaitable[None]],
        on_close: Callable[[int], None],
        *,
        holes: bool = False,
    ) -> Any:
        """Declare a table, co-partitioned with its input topic `source`, before the app starts.

        Returns the input for an agent of Faust. The value of its events is a `Fetch`: nothing more of the partition
        is read before it has been accepted.

        `on_open` is awaited with each partition that becomes ours: it is up to date, and no event of it has been
        delivered yet; from then on its events come in order, the first at its marker + 1, each once. `on_close` is
        called with a partition's number when it is given up: forget what was queued for it. A partition that stays
        at a rebalance is closed and opened too. `holes`: others write to `source` too, see `Table`.
        """
        changelog = f"{self._namespace}.{name}-changelog"
        self._app.room.declare(Table(name, source, partitions, changelog, derive, on_open, on_close, holes))
        topic = self._app.topic(
            changelog,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            acks=False,
            internal=True,
            allow_empty=True,
        )
        # Faust's own table holds nothing: it lends its name to the assignor, which places the partitions by it
        self._app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions, changelog_topic=topic)
        return self._app.topic(source, schema=Fetched(), partitions=partitions, acks=False)
