"""The ground on which the state room is tested: topics of one's own, processes that count words, replays."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.state.room import Room
from streams.state.store import DERIVED, POSITION, Store
from streams.state.table import Table

APP = Path(__file__).parents[2] / "apps" / "state_app.py"
PARTITIONS = 2
Process = subprocess.Popen[bytes]


def _load_app() -> ModuleType:
    spec = spec_from_file_location("state_app", APP)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


app = _load_app()


@dataclass
class Ground:
    """Two input partitions, a table `words`, and whoever works on them."""

    bootstrap: str
    folder: Path
    admin: AIOKafkaAdminClient
    producer: AIOKafkaProducer
    namespace: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")
    sent: dict[int, list[bytes]] = field(default_factory=lambda: {p: [] for p in range(PARTITIONS)})
    processes: list[Process] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The input topic."""
        return f"{self.namespace}.in"

    @property
    def changelog(self) -> str:
        """The table's changelog topic."""
        return f"{self.namespace}.words-changelog"

    derive = staticmethod(app.derive)

    def tp(self, partition: int = 0, table: str = "words") -> TopicPartition:
        """A partition of a changelog."""
        return TopicPartition(f"{self.namespace}.{table}-changelog", partition)

    async def make_topics(self, *names: str) -> None:
        """Make topics as wide as the table."""
        await self.admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])

    async def drop_topics(self, *names: str) -> None:
        """Delete topics, and wait until they are gone."""
        await self.admin.delete_topics(list(names))
        while True:
            if not any(topic["partitions"] for topic in await self.admin.describe_topics(list(names))):
                return
            await asyncio.sleep(0.05)

    async def send(self, words: list[bytes], partition: int = 0) -> None:
        """Send words, one a message."""
        for word in words:
            await self.producer.send_and_wait(self.source, word, partition=partition)
            self.sent[partition].append(word)

    # --- processes

    def start(self, home: str = "a", **env: str) -> Process:
        """Start a process of the test app."""
        number = len(self.processes)
        with (self.folder / f"{number}.out").open("w") as out, (self.folder / f"{number}.err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, str(APP), self.namespace, str(self.folder / home), self.bootstrap],
                env={**os.environ, "SESSION": "1.5", "LOG": "INFO", **env},
                stdout=out,
                stderr=err,
            )
        self.processes.append(process)
        return process

    def said(self, process: Process, stream: str = "err") -> str:
        """What a process wrote to standard error, or to `out`."""
        return (self.folder / f"{self.processes.index(process)}.{stream}").read_text()

    def owned(self, process: Process) -> set[int]:
        """The partitions that a process has open now."""
        said = [line.split()[:2] for line in self.said(process, "out").splitlines()]
        last = {number: what for what, number in (pair for pair in said if len(pair) > 1)}
        return {int(number) for number, what in last.items() if what == "open"}

    async def owns(self, process: Process, count: int = PARTITIONS) -> None:
        """Wait until a process owns so many partitions."""
        async with asyncio.timeout(30):
            while len(self.owned(process)) != count:
                assert process.poll() is None, self.said(process)
                await asyncio.sleep(0.05)

    async def ended(self, process: Process) -> int:
        """Wait for the end of a process; its status."""
        return await asyncio.to_thread(process.wait, 40)

    async def stop(self, process: Process) -> None:
        """Stop a process in order."""
        process.terminate()
        status = await self.ended(process)
        assert status == 0, self.said(process)

    # --- rooms in this process

    async def room(self, home: str = "a", name: str = "words") -> Room:
        """A prepared room without Faust; `open` holds its partitions by number."""
        opened: dict[int, Any] = {}

        async def on_open(partition: Any) -> None:
            opened[partition.number] = partition

        room = Room(self.bootstrap, self.namespace, 1, self.folder / home / "state" / "test", lambda *_: None)
        table = Table(
            name,
            self.source,
            PARTITIONS,
            self.tp(0, name).topic,
            app.derive,
            on_open,
            opened.pop,
        )
        room.declare(table)
        room.open = opened  # type: ignore[attr-defined]
        self.rooms.append(room)
        await room.prepare()
        return room

    async def work(self, room: Room, words: list[bytes], partition: int = 0) -> None:
        """Send words and have a room's partition count them."""
        await self.send(words, partition)
        await self.count(room, words, partition)

    async def count(self, room: Room, words: list[bytes], partition: int = 0) -> None:
        """Have a room's partition count words that were sent, a few at a time."""
        owned = room.open[partition]  # type: ignore[attr-defined]
        for start in range(0, len(words), 7):
            batch = words[start : start + 7]
            await owned.commit(app.decide(owned, batch), owned.marker + len(batch))

    async def close(self, room: Room) -> None:
        """Close a room in order."""
        self.rooms.remove(room)
        room.give_up()
        await room.stop()

    # --- what came of it

    async def read(self, topic: str, partition: int) -> list[Any]:
        """All records of a partition."""
        tp = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            end = (await consumer.end_offsets([tp]))[tp]
            records: list[Any] = []
            while await consumer.position(tp) < end:
                for found in (await consumer.getmany(tp, timeout_ms=1000)).values():
                    records += found
            return records
        finally:
            await consumer.stop()

    async def replay(self, partition: int = 0) -> dict[bytes, bytes]:
        """The table as its changelog alone tells it, and what is derived from it."""
        table: dict[bytes, bytes] = {}
        for record in await self.read(self.changelog, partition):
            table.pop(record.key, None)
            if record.value is not None:
                table[record.key] = record.value
        derived = {k: v for key, value in table.items() if key[0] for k, v in app.derive(key, None, value)}
        return table | derived

    def stored(self, partition: int = 0, home: str = "a") -> dict[bytes, bytes]:
        """The table as RocksDB has it. Its process must have ended."""
        store = Store(self.path(partition, home))
        items = dict(store.items())
        store.close()
        return {key: value for key, value in items.items() if key not in (POSITION, DERIVED)}

    def path(self, partition: int = 0, home: str = "a") -> Path:
        """Where a partition's folder is."""
        return self.folder / home / "state" / "test" / f"words-{partition}"

    def counted(self, partition: int = 0) -> dict[bytes, int]:
        """How often each word was sent, since it was last to be forgotten."""
        counts: Counter[bytes] = Counter()
        for word in self.sent[partition]:
            if word.startswith(b"!"):
                counts.pop(word[1:], None)
            else:
                counts[word] += 1
        return dict(counts)

    async def settled(self) -> None:
        """Wait until all that was sent is in the changelogs."""
        async with asyncio.timeout(30):
            for partition, words in self.sent.items():
                while words and await self.marker(partition) < len(words) - 1:
                    self.check_alive()
                    await asyncio.sleep(0.1)

    def check_alive(self) -> None:
        """Fail early where nobody is left to do the work."""
        if self.processes and all(p.poll() is not None for p in self.processes):
            pytest.fail("all processes have ended: " + self.said(self.processes[-1]))

    async def marker(self, partition: int) -> int:
        """The last marker in a changelog."""
        try:
            return int((await self.replay(partition)).get(b"\0marker", b"-1"))
        except Exception:  # noqa: BLE001  (the changelog may not be there yet)
            return -1

    async def check(self, *homes: str) -> None:
        """Every word counts once, and each home's stores equal the replay, once they have caught up."""
        for home in homes:
            room = await self.room(home)
            await room.take({self.tp(p) for p in range(PARTITIONS)}, set())
            await self.close(room)
            for partition in range(PARTITIONS):
                replay = await self.replay(partition)
                assert {k[1:]: int(v) for k, v in replay.items() if k[:1] == b"w"} == self.counted(partition)
                assert self.stored(partition, home) == replay


@pytest.fixture
async def ground(kafka: str, tmp_path: Path) -> AsyncIterator[Ground]:
    """Fresh topics, deleted afterwards with all processes gone."""
    admin, producer = AIOKafkaAdminClient(bootstrap_servers=kafka), AIOKafkaProducer(bootstrap_servers=kafka)
    await admin.start()
    await producer.start()
    ground = Ground(kafka, tmp_path, admin, producer)
    await ground.make_topics(ground.source, f"{ground.namespace}.out")
    try:
        yield ground
    finally:
        for process in ground.processes:
            process.kill()
            process.wait()
        for room in list(ground.rooms):
            await ground.close(room)
        await producer.stop()
        await admin.delete_topics([t for t in await admin.list_topics() if t.startswith(f"{ground.namespace}.")])
        await admin.close()
