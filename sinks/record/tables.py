"""Writing to the history: rows in, and how far they have come in Kafka.

Every table keeps the newest row of its sort key, so a batch can be written twice. Its place in Kafka is written last:
whoever starts again after a crash goes on from there, and what it repeats changes nothing.

Rows go in as Arrow's columns, which ClickHouse takes as they are (see columns.py).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.record.batch import Batch
from sinks.record.client import Names, open_client
from sinks.record.columns import Source, UnreadableRowsError, arrow
from sinks.record.migrate import migrate
from streams.settings import Settings

Place = tuple[str, int]
"""A topic and one of its partitions."""

SESSION = {
    "async_insert": 0,  # batches are ours, and an insert that has returned is in the table
    "max_partitions_per_insert_block": 0,  # a batch that catches up may span many weeks
    "max_threads": 1,  # a batch is small; the cores are for others
    "optimize_on_insert": 0,  # a batch has hardly any row twice, and looking for them costs a third of writing it
}

UNREADABLE = frozenset({6, 26, 27, 33, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 376, 407, 444})
"""ClickHouse's numbers of the errors that are about a value, and not about ClickHouse."""


class Insert(NamedTuple):
    """Rows of one table."""

    table: str
    rows: pa.Table


class Tables:
    """The history, for the one who writes it. Blocks: for a thread, not for an event loop."""

    def __init__(self, client: Client, names: Names) -> None:
        self._client = client
        self._names = names

    @classmethod
    def open(cls, settings: Settings) -> "Tables":
        """Connect and bring the tables up to date. Raises ClickHouseAwayError, SchemaMismatchError, ClickHouseError."""
        names = Names.under(settings.namespace)
        client = open_client(settings, **SESSION)
        try:
            migrate(client, names, settings.history_days)
        except BaseException:
            client.close()
            raise
        return cls(client, names)

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def places(self) -> dict[Place, int]:
        """Where reading goes on, for each partition that was read before."""
        query = f"SELECT topic, partition, next_offset FROM {self._names.raw}.progress FINAL"  # noqa: S608  (our name)
        return {(topic, partition): offset for topic, partition, offset in self._client.query(query).result_rows}

    def write(self, inserts: Iterable[Insert]) -> None:
        """Put rows into their tables.

        Raises UnreadableRowsError where a value is refused, ClickHouseError where ClickHouse fails.
        """
        for one in inserts:
            self._insert(one)

    def reached(self, places: Mapping[Place, int]) -> None:
        """All before these offsets is in the tables."""
        reached = [Source(topic, None, partition, offset) for (topic, partition), offset in places.items()]
        self._insert(Insert("progress", arrow("progress", reached)))

    def _insert(self, one: Insert) -> None:
        try:
            self._client.insert_arrow(one.table, one.rows, self._names.raw)
        except DatabaseError as error:
            if error.code in UNREADABLE:
                raise UnreadableRowsError(str(error)) from error
            raise


def inserts(batch: Batch) -> list[Insert]:
    """What writes a batch; nothing of the batch itself is needed any more. Raises UnreadableRowsError."""
    return [Insert(table, arrow(table, sources)) for table, sources in batch.tables()]
