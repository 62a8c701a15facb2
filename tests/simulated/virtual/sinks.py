"""RECORD and NOTIFY in virtual time: the real recorder and notifier, with ClickHouse and the targets in memory."""

import asyncio
import contextvars
import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from pipelines.ids import to_text
from sinks.notify.addresses import Undelivered
from sinks.notify.notifier import Notifier
from sinks.record.client import ClickHouseAwayError
from sinks.record.recorder import Recorder
from sinks.record.tables import Insert, Place, Tables
from streams.engine.events import Notification
from streams.settings import Settings
from tests.history.facts import Delivery, Row
from tests.simulated.virtual.broker import OUTSIDE, Broker
from tests.simulated.virtual.clock import CURRENT
from tests.simulated.virtual.kafka import Producer

KEYS = {
    "executions": ("execution",),
    "attempts": ("execution", "attempt"),
    "events": ("execution", "version"),
    "tasks": ("task", "position"),
    "pipelines": ("pipeline",),
    "logs": ("execution", "attempt", "seq"),
    "progress": ("topic", "partition"),
}
"""What makes a row one; of repeated ones the newest stays, as ReplacingMergeTree has it."""

VERSION = {"executions": "version", "attempts": "version", "progress": "next_offset"}

Key = tuple[Any, ...]
TableRow = dict[str, Any]


class DiedError(BaseException):
    """The process was killed in the middle of this step."""


class House:
    """ClickHouse's tables. `fragile`: how likely its writer dies between two inserts."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.tables: dict[str, dict[Key, TableRow]] = {table: {} for table in KEYS}
        self.away_until = 0.0
        self.fragile = 0.0

    def insert(self, table: str, rows: Sequence[TableRow]) -> None:
        """One insert, whole or not at all."""
        if self._broker.loop.now < self.away_until:
            raise ClickHouseAwayError("ClickHouse is away")
        for row in rows:
            self.keep(table, row)
        process = CURRENT.get()
        if process and self._broker.chance.random() < self.fragile:
            process.kill()
            raise DiedError

    def keep(self, table: str, row: TableRow) -> None:
        """A row replaces an older one of its key."""
        key = tuple(row[name] for name in KEYS[table])
        newest = VERSION.get(table, "position")
        if key not in self.tables[table] or self.tables[table][key].get(newest, 0) <= row.get(newest, 0):
            self.tables[table][key] = row

    def rows(self) -> list[Row]:
        """The view `executions`."""
        found = self.tables["executions"].values()
        return [Row(to_text(bytes.fromhex(row["execution"])), row["state"], row["attempt"]) for row in found]

    def places(self) -> dict[Place, int]:
        """Where reading goes on."""
        return {(row["topic"], row["partition"]): row["next_offset"] for row in self.tables["progress"].values()}


class HouseTables(Tables):
    """See sinks.record.tables.Tables: all of it but the connection."""

    def __init__(self, house: House) -> None:
        self._house = house

    def places(self) -> dict[Place, int]:
        """Where reading goes on."""
        return self._house.places()

    def _insert(self, one: Insert) -> None:
        self._house.insert(one.table, one.rows.to_pylist())


async def run_recorder(settings: Settings, producer: Producer, house: House) -> None:
    """See Recorder.start; without the roll-up, which counts what ClickHouse has."""
    recorder = Recorder(settings)
    recorder._producer = producer
    await producer.start()
    await recorder._record(HouseTables(house))


async def run_notifier(settings: Settings) -> None:
    """The role's own way."""
    await Notifier(settings).run()


class Targets:
    """All who are told. `refusing`: how likely a delivery fails."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.told: list[Delivery] = []
        self.refusing = 0.0

    def in_thread(self, work: Callable[[], None], at_end: Callable[[], None]) -> "asyncio.Future[None]":
        """Instead of sinks.notify.target._in_thread: the request is made now, the answer comes later."""
        assert isinstance(work, functools.partial)
        target, text = work.func.__self__, work.args[0]  # type: ignore[attr-defined]  # a bound method
        loop, chance, inside = self._broker.loop, self._broker.chance, contextvars.copy_context()
        future, fails = loop.create_future(), chance.random() < self.refusing
        there, back = chance.uniform(0.002, 0.05), chance.uniform(0.002, 0.05)

        def arrive() -> None:
            if not fails:
                notification: Notification = text.notification
                execution = to_text(notification.execution.id)
                self.told.append(Delivery(execution, notification.happening, target.address))
            loop.call_later(back, answer, context=inside)

        def answer() -> None:
            at_end()
            if not future.done():
                future.set_exception(Undelivered("the target refuses")) if fails else future.set_result(None)

        loop.call_later(there, arrive, context=OUTSIDE)
        return future


def compose(notification: Notification) -> SimpleNamespace:
    """Instead of sinks.notify.text.compose: the notification itself is the text."""
    return SimpleNamespace(notification=notification, problem="")
