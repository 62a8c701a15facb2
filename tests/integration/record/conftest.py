"""A history to write to, executions to write, and topics to read them from."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from clickhouse_connect.driver.client import Client
from msgspec.structs import replace

from pipelines.ids import execution_id
from sinks.record.client import Names, open_client
from sinks.record.recorder import write
from sinks.record.tables import Tables
from streams.engine.events import Moved, Refused
from streams.engine.records import Execution
from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, Topics, layout
from tests.apps.clickhouse_server import Server

NOW = round(time.time() * 1000)


def created(task: str, run: str = "r1", **fields: Any) -> Moved:
    """A first step: the execution waits."""
    born = {"state": "waiting", "created_at": NOW, "due_at": NOW, "ready_at": NOW + 10, "kind": "function"}
    record = Execution(execution_id(task, run), task=task, run=run, **{**born, **fields})
    return Moved("created", record.created_at, record, call=b'{"function":"f"}', payload=b'{"n":1}')


def step(before: Moved, what: str, after: int, result: bytes = b"", **fields: Any) -> Moved:
    """The next step, `after` milliseconds later."""
    record = replace(before.execution, version=before.execution.version + 1, **fields)
    return Moved(what, before.at + after, record, result=result)


def whole(task: str, run: str = "r1", ends: str = "succeeded", **fields: Any) -> list[Moved]:
    """An execution from its creation to its end, by one attempt."""
    first = created(task, run, **fields)
    at = first.at
    second = step(first, "assigned", 20, state="dispatched", attempt=1, worker="w-12345678", dispatched_at=at + 20)
    end = {"state": ends, "started_at": at + 30, "finished_at": at + 130}
    error = {} if ends == "succeeded" else {"error": "it broke", "failures": 1}
    return [first, second, step(second, ends, 120, result=b'{"ok":true}', **end, **error)]


@dataclass
class Store:
    """The tables of a folder of their own, and a client that asks."""

    settings: Settings
    tables: Tables
    client: Client
    offset: int = field(default=0)

    def take(self, events: list[Any], offset: int | None = None, logs: bool = False) -> list[Refused]:  # noqa: FBT001, FBT002  (one of two topics)
        """Record events as one message; without an offset, as the next one."""
        return self.take_together(events, offset=offset, logs=logs)

    def take_together(self, *messages: list[Any], offset: int | None = None, logs: bool = False) -> list[Refused]:
        """Record messages of events in one flush."""
        topics = Topics.under(self.settings.namespace)
        first = self.offset + 1 if offset is None else offset
        self.offset = first + len(messages) - 1
        came = [
            SimpleNamespace(
                topic=topics.logs if logs else topics.events,
                partition=0,
                offset=place,
                value=msgspec.msgpack.encode(events),
                timestamp=NOW,
            )
            for place, events in enumerate(messages, first)
        ]
        return write(self.tables, topics, came)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a question."""
        return list(self.client.query(Names.under(self.settings.namespace).fill(sql)).result_rows)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module", params=["embedded", "server"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Where ClickHouse is: in this process, and the engine stays open as it takes a second to start, or behind HTTP."""
    home = tmp_path_factory.mktemp("house")
    if request.param == "server":
        yield Settings(home=home, clickhouse=request.getfixturevalue("server").url)
        return
    keeper = open_client(Settings(home=home))
    yield Settings(home=home)
    keeper.close()


@pytest.fixture
def settings(house: Settings) -> Settings:
    """Databases and topics of its own."""
    return house.model_copy(update={"namespace": f"test-{uuid4().hex[:8]}"})


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A new history."""
    tables, client = Tables.open(settings), open_client(settings)
    yield Store(settings, tables, client)
    client.close()
    tables.close()


@dataclass
class Bus:
    """Topics of their own on a real broker."""

    settings: Settings
    topics: Topics
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient

    @property
    def names(self) -> list[str]:
        """The topics of RECORD."""
        return [self.topics.events, self.topics.logs, self.topics.dead_letters]

    async def make(self) -> None:
        """Make the topics."""
        plan = layout(self.settings)
        await self.admin.create_topics([NewTopic(n, plan[n][0], 1, topic_configs=plan[n][1]) for n in self.names])

    async def events(self, *events: Any) -> None:
        """Send events as one message."""
        await self.producer.send_and_wait(self.topics.events, msgspec.msgpack.encode(list(events)))


@pytest.fixture
async def early_bus(kafka: str, settings: Settings) -> AsyncIterator[Bus]:
    """A broker on which the topics under the namespace of `settings` are still to be made."""
    mine = settings.model_copy(update={"kafka": kafka})
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_request_size=MESSAGE_LIMIT)
    await admin.start()
    await producer.start()
    bus = Bus(mine, Topics.under(mine.namespace), producer, admin)
    yield bus
    await producer.stop()
    await admin.delete_topics(bus.names)
    await admin.close()


@pytest.fixture
async def bus(early_bus: Bus) -> Bus:
    """The topics of RECORD."""
    await early_bus.make()
    return early_bus


@pytest.fixture
def play() -> SimpleNamespace:
    """Builds steps: created, step, whole, and the moment NOW at which all begins."""
    return SimpleNamespace(created=created, step=step, whole=whole, now=NOW)
