"""Writing to the history: rows in, and how far they have come in Kafka.

Every table keeps the newest row of its sort key, so a batch can be written twice. Its place in Kafka is written last:
whoever starts again after a crash goes on from there, and what it repeats changes nothing.

Rows go in as MessagePack, value behind value: both msgspec, which writes it, and ClickHouse, which reads it, have less
to do than with lines of JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.record.client import Names, open_client
from sinks.record.migrate import migrate
from sinks.record.rows import COLUMNS, Batch, Row
from streams.settings import Settings

_encode = msgspec.msgpack.Encoder().encode

Place = tuple[str, int]
"""A topic and one of its partitions."""

SESSION = {
    "async_insert": 0,  # batches are ours, and an insert that has returned is in the table
    "max_partitions_per_insert_block": 0,  # a batch that catches up may span many weeks
    "max_threads": 1,  # a batch is small; the cores are for others
    "optimize_on_insert": 0,  # a batch has hardly any row twice, and looking for them costs a third of writing it
}

UNREADABLE = frozenset({6, 26, 27, 33, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 407, 444})
"""ClickHouse's numbers of the errors that are about a value, and not about ClickHouse."""


class Insert(NamedTuple):
    """Rows of one table, how many, and as ClickHouse reads them."""

    table: str
    rows: int
    data: bytes


class UnreadableRowsError(Exception):
    """ClickHouse cannot read a value of this batch; the same rows will be refused again."""


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
        self._insert(_insert("progress", [(*place, offset) for place, offset in places.items()]))

    def _insert(self, one: Insert) -> None:
        name = f"{self._names.raw}.{one.table}"
        try:
            self._client.raw_insert(name, COLUMNS[one.table], one.data, fmt="MsgPack")
        except DatabaseError as error:
            if error.code in UNREADABLE:
                raise UnreadableRowsError(str(error)) from error
            raise


def inserts(batch: Batch) -> list[Insert]:
    """What writes a batch; nothing of the batch itself is needed any more."""
    return [_insert(table, rows) for table, rows in batch.tables()]


def _insert(table: str, rows: Sequence[Row]) -> Insert:
    return Insert(table, len(rows), packed(rows))


def packed(rows: Sequence[Row]) -> bytes:
    """Rows as ClickHouse's format MsgPack: one value behind the other, without the list that msgspec puts them in."""
    values = list(chain.from_iterable(rows))
    return _encode(values)[1 if len(values) < 1 << 4 else 3 if len(values) < 1 << 16 else 5 :]
