"""From envelopes in Kafka to rows in ClickHouse, and what happens when either does not play along."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from msgspec.structs import replace
from structlog.testing import capture_logs

from sinks.record.client import Names, open_client
from sinks.record.feed import IDLE_MS, Feed
from sinks.record.recorder import BUSY_SECONDS, Recorder
from sinks.record.tables import Tables
from streams.engine.events import LogLine, Refused, TaskCreated
from streams.engine.records import TaskDef
from streams.local.ports import free_ports
from streams.topics import Topics

PATIENCE = 60


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something holds; returns it."""
    end = time.monotonic() + PATIENCE
    while not (answer := await holds()):
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.05)
    return answer


class Asked:
    """Asks the history of a namespace."""

    def __init__(self, bus: Any) -> None:
        self._client = open_client(bus.settings)
        self._names = Names.under(bus.settings.namespace)

    async def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a question."""
        return list((await asyncio.to_thread(self._client.query, self._names.fill(sql))).result_rows)

    async def number(self, sql: str) -> int:
        """The one number of a question."""
        return int((await self(sql))[0][0])

    def command(self, sql: str) -> None:
        """Do something to the tables."""
        self._client.command(self._names.fill(sql))

    def close(self) -> None:
        """Let the client go."""
        self._client.close()


@pytest.fixture
async def ask(bus: Any) -> AsyncIterator[Asked]:
    """Asks; the tables exist already."""
    (await asyncio.to_thread(Tables.open, bus.settings)).close()
    asked = Asked(bus)
    yield asked
    asked.close()


@pytest.fixture
async def recorder(
    bus: Any,
    ask: Asked,  # noqa: ARG001  (tables first)
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Recorder]:
    """A recorder that runs in this process, and counts minutes more often than people need."""
    monkeypatch.setattr("sinks.record.recorder.COUNT_SECONDS", 0.5)
    recorder = Recorder(bus.settings)
    await recorder.start()
    yield recorder
    await recorder.stop()


async def test_what_happens_is_in_the_tables(bus: Any, ask: Asked, recorder: Recorder, play: Any) -> None:
    """Definitions, transitions, attempts and output arrive, each in its table, by plain names."""
    steps = play.whole("p.a")
    await bus.events(TaskCreated(TaskDef("p.a", "python"), play.now), *steps)
    line = LogLine(steps[0].execution.id, 1, 0, play.now, "stdout", "", "hello", "w")
    await bus.producer.send_and_wait(bus.topics.logs, msgspec.msgpack.encode([line]))
    await until(lambda: ask.number("SELECT count() FROM {main}.logs"))
    await until(lambda: ask.number("SELECT count() FROM {main}.executions"))
    assert await ask("SELECT state, waited_ms, ran_ms, result FROM {main}.executions") == [
        ("succeeded", 20, 100, '{"ok":true}')
    ]
    assert await ask("SELECT attempt, state, worker FROM {main}.attempts") == [(1, "succeeded", "w-12345678")]
    assert await ask("SELECT what FROM {main}.events ORDER BY version") == [("created",), ("assigned",), ("succeeded",)]
    assert await ask("SELECT task, kind FROM {main}.tasks") == [("p.a", "python")]
    assert await ask("SELECT text FROM {main}.logs") == [("hello",)]
    await until(lambda: ask.number("SELECT sum(succeeded) FROM {main}.minutes"))
    assert recorder.trouble is None


async def test_what_ends_in_the_last_second_of_a_minute_is_counted_in_it(
    bus: Any, ask: Asked, recorder: Recorder, play: Any
) -> None:
    """ClickHouse takes `< 20:00:00` for "up to 19:59:59" where it compares milliseconds with whole seconds."""
    at = play.now - play.now % 60_000 - 950
    await bus.events(*play.whole("p.a", created_at=at, due_at=at, ready_at=at))
    await until(lambda: ask.number("SELECT sum(succeeded) FROM {main}.minutes"))
    assert recorder.trouble is None


async def test_a_step_is_visible_after_the_next_flush_but_one(
    bus: Any, ask: Asked, recorder: Recorder, play: Any
) -> None:
    """Each transition can be queried on its own soon after it happened, not only once the execution has ended."""
    for move in play.whole("p.a"):
        await bus.events(move)
        flushed = recorder.flushed_at
        flushes = 0
        while (await ask.number("SELECT max(version) FROM {main}.executions")) < move.execution.version:
            await asyncio.sleep(0.01)
            flushes += recorder.flushed_at != flushed
            flushed = recorder.flushed_at
        assert flushes <= 2


async def test_who_asks_has_written_first_what_is_gathered(
    bus: Any, ask: Asked, recorder: Recorder, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder gathers for long; a question does not wait for that, and misses nothing that is old enough."""
    monkeypatch.setattr(recorder, "_pauses", (3600, 3600))
    count = "SELECT count() FROM {main}.executions"
    await bus.events(*play.whole("p.a"))
    await until(lambda: ask.number(count))
    await bus.events(*play.whole("p.b"))
    await asyncio.sleep(2 * BUSY_SECONDS)
    assert await ask.number(count) == 1, "it gathers"
    await recorder.fresh()
    assert await ask.number(count) == 2
    await recorder.fresh()
    assert not recorder._asked.is_set(), "nothing is to be waited for"


async def test_i11_poison_goes_to_the_dead_letters(bus: Any, ask: Asked, recorder: Recorder, play: Any) -> None:  # noqa: ARG001  (it records)
    """Bytes that are no envelope and values that no column can hold stop nothing; each is kept with its reason."""
    bad = play.created("p.bad")
    await bus.producer.send_and_wait(bus.topics.events, b"\xc1 garbage")
    await bus.events(replace(bad, execution=replace(bad.execution, version=-1)))
    await bus.producer.send_and_wait(bus.topics.logs, msgspec.msgpack.encode([["too", "short"]]))
    await bus.producer.send_and_wait(bus.topics.events, None, key=b"a tombstone")
    await bus.events(*play.whole("p.good"))
    await until(lambda: ask.number("SELECT count() FROM {main}.executions"))
    assert await ask("SELECT task FROM {main}.executions") == [("p.good",)]
    consumer = AIOKafkaConsumer(
        bus.topics.dead_letters, bootstrap_servers=bus.settings.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    letters = [msgspec.json.decode((await consumer.getone()).value, type=Refused) for _ in range(4)]
    await consumer.stop()
    assert {(letter.topic, letter.offset) for letter in letters} == {
        *((bus.topics.events, offset) for offset in (0, 1, 2)),
        (bus.topics.logs, 0),
    }
    assert all(letter.stage == "record" and letter.reason for letter in letters)
    assert any("garbage" in letter.first_bytes for letter in letters)


async def test_nothing_is_lost_while_inserts_fail(bus: Any, ask: Asked, recorder: Recorder, play: Any) -> None:
    """While a table is away the recorder waits and says why; once it is back all rows are there, once."""
    await bus.events(*play.whole("p.before"))
    await until(lambda: ask.number("SELECT count() FROM {main}.executions"))
    await asyncio.to_thread(ask.command, "RENAME TABLE {raw}.executions TO {raw}.hidden")
    for n in range(30):
        await bus.events(*play.whole(f"p.t{n}"))
    trouble = await until(lambda: asyncio.sleep(0, recorder.trouble))
    assert "executions" in trouble
    await asyncio.to_thread(ask.command, "RENAME TABLE {raw}.hidden TO {raw}.executions")
    await until(lambda: ask.number("SELECT count() = 31 FROM {main}.executions"))
    assert await ask("SELECT count(), uniqExact(execution) FROM {main}.executions") == [(31, 31)]
    assert await ask("SELECT count(), uniqExact(execution, version) FROM {main}.events") == [(93, 93)]
    await until(lambda: asyncio.sleep(0, recorder.trouble is None))


async def test_topics_may_come_later_than_the_recorder(early_bus: Any, play: Any) -> None:
    """Who starts before anybody has made the topics records what comes as soon as somebody has."""
    recorder = Recorder(early_bus.settings)
    await recorder.start()
    await asyncio.sleep(2 * IDLE_MS / 1000)
    await early_bus.make()
    await early_bus.events(*play.whole("p.a"))
    await until(lambda: asyncio.sleep(0, recorder.flushed_at))
    await recorder.stop()


@pytest.mark.parametrize("house", ["server"], indirect=True)
async def test_a_server_that_does_not_answer_holds_up_nobody(bus: Any) -> None:
    """Start returns at once and stop too; the trouble has a name and an address, without the password."""
    (port,) = free_ports(1)
    settings = bus.settings.model_copy(update={"clickhouse": f"http://me:secret@127.0.0.1:{port}"})
    recorder = Recorder(settings)
    await recorder.start()
    trouble = await until(lambda: asyncio.sleep(0, recorder.trouble))
    await recorder.stop()
    assert f"127.0.0.1:{port}" in trouble
    assert "secret" not in trouble


async def test_a_restart_goes_on_where_the_tables_are(bus: Any, ask: Asked, play: Any) -> None:
    """What was recorded is not read again; what came meanwhile is."""
    for n in range(3):
        await bus.events(*play.whole(f"p.t{n}"))
        recorder = Recorder(bus.settings)
        await recorder.start()
        await until(lambda n=n: ask.number(f"SELECT count() = {n + 1} FROM {{main}}.executions"))  # noqa: S608  (a number)
        await until(lambda n=n: ask.number(f"SELECT max(next_offset) = {n + 1} FROM {{raw}}.progress FINAL"))  # noqa: S608  (the same)
        await recorder.stop()
    assert await ask("SELECT next_offset FROM {raw}.progress FINAL WHERE topic LIKE '%events'") == [(3,)]
    assert await ask("SELECT count() FROM {main}.events") == [(9,)]


async def test_what_another_recorder_has_is_not_counted(bus: Any, play: Any) -> None:
    """A recorder may lose a partition to another one while it writes what it has read: it goes on all the same."""

    async def nowhere() -> dict[Any, int]:
        return {}

    await bus.events(*play.whole("p.a"))
    feeds = [Feed(bus.settings, (bus.topics.events,), nowhere, alone=False) for _ in range(2)]
    try:
        await feeds[0].start()
        await until(lambda: feeds[0].look(50))
        await feeds[1].start()
        assert sorted(feed.behind((bus.topics.events, 0), 0) for feed in feeds) == [0, 1]
    finally:
        for feed in feeds:
            await feed.stop()


async def test_what_kafka_no_longer_had_is_missed_aloud(bus: Any, ask: Asked, play: Any) -> None:
    """A recorder that was away for longer than events are kept goes on with what is left, and says how much is not."""
    for n in range(3):
        await bus.events(*play.whole(f"p.t{n}"))
        if n == 0:
            recorder = Recorder(bus.settings)
            await recorder.start()
            await until(lambda: ask.number("SELECT max(next_offset) = 1 FROM {raw}.progress FINAL"))
            await recorder.stop()
    topic = Topics.under(bus.settings.namespace).events
    admin = AIOKafkaAdminClient(bootstrap_servers=bus.settings.kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})
    await admin.close()
    recorder = Recorder(bus.settings)
    with capture_logs() as said:
        await recorder.start()
        await until(lambda: ask.number("SELECT count() = 2 FROM {main}.executions"))
        await recorder.stop()
    assert [(line["topic"], line["missing"]) for line in said if line["log_level"] == "error"] == [(topic, 1)]
