"""A scheduler in miniature: counts the words that come in, and dies where it is told to.

    python state_app.py NAMESPACE HOME KAFKA

Environment: DIE_AT=outputs|changelog|store (after that step of the N-th batch: DIE_BATCH) with the signal DIE_BY, or
DIE_AT=records|derived (in the middle of rebuilding a table), SESSION (seconds), STANDBYS, LOG (a level).
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from streams.state import store
from streams.state.partition import Change, Changes, ClosedError, Derive
from streams.state.store import MARKER, Store
from streams.state.tables import Partition, Tables, make_app, run_app
from streams.state.writer import Writer

PARTITIONS = 2


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def by_count(key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
    """The words by their count."""
    gone = [] if old is None else [(b"n" + old + key, None)]
    return gone if new is None else [*gone, (b"n" + new + key, b"")]


derive = Derive(by_count, sources=b"w", derived=b"n")


def decide(partition: Partition, words: list[bytes]) -> Changes:
    """Count; the word `!x` forgets x."""
    counts: dict[bytes, bytes | None] = {}
    derived: list[Change] = []
    for word in words:
        key = b"w" + word.lstrip(b"!")
        old = counts[key] if key in counts else partition.get(key)
        new = None if word.startswith(b"!") else b"%08d" % (int(old or 0) + 1)
        counts[key] = new
        derived += derive(key, old, new)
    return Changes(list(counts.items()), derived)


class Stage:
    """One loop a partition."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings, self.producer = settings, producer
        self.queues: dict[int, asyncio.Queue[Any]] = {}
        self.loops: dict[int, asyncio.Task[None]] = {}

    async def on_open(self, partition: Partition) -> None:
        """Start its loop."""
        say(f"open {partition.number} {partition.marker}")
        self.queues[partition.number] = asyncio.Queue()
        self.loops[partition.number] = asyncio.create_task(self.run(partition, self.queues[partition.number]))

    def on_close(self, number: int) -> None:
        """End its loop and forget what was queued."""
        say(f"close {number}")
        self.queues.pop(number)
        self.loops.pop(number).cancel()

    async def run(self, partition: Partition, queue: asyncio.Queue[Any]) -> None:
        """Apply what has arrived, all of it at once."""
        expected = partition.marker + 1
        while True:
            records = [await queue.get()]
            while not queue.empty():
                records.append(queue.get_nowait())
            for record in records:
                assert record.offset >= expected, f"{record.offset} again, {expected} expected"
                expected = record.offset + 1
            try:
                await self.apply(partition, [r.value for r in records], expected - 1)
            except ClosedError:
                return

    async def apply(self, partition: Partition, words: list[bytes], marker: int) -> None:
        """One batch: outputs, then the table."""
        changes = decide(partition, words)
        topic = f"{self.settings.namespace}.out"
        await asyncio.gather(*[await self.producer.send(topic, word, partition=partition.number) for word in words])
        await partition.commit(changes, marker)


def die_at(step: str, batch: int) -> None:
    """Kill this process, or pause it, after a step of its N-th batch."""
    count, end = 0, signal.Signals[os.environ.get("DIE_BY", "SIGKILL")]

    def passes(records: list[Change]) -> None:
        nonlocal count
        if not any(key == MARKER for key, _ in records):
            return
        count += 1
        if count == batch:
            os.kill(os.getpid(), end)

    append, write, commit = Writer.append, Store.write, Store.write

    async def dying_append(self: Writer, records: list[Change]) -> Any:
        passes(records)
        return await append(self, records)

    def dying_write(self: Store, changes: list[Change], position: Any, fresh: Any = ()) -> None:
        passes(changes)
        write(self, changes, position, fresh)

    def dead_after(self: Store, changes: list[Change], position: Any, fresh: Any = ()) -> None:
        commit(self, changes, position, fresh)
        passes(changes)

    match step:
        case "outputs":
            Writer.append = dying_append  # type: ignore[method-assign]
        case "changelog":
            Store.write = dying_write  # type: ignore[method-assign]
        case "store":
            Store.write = dead_after  # type: ignore[method-assign]


def die_rebuilding(step: str) -> None:
    """Kill this process when a table that is rebuilt has some records on disk, or half of what is derived from them."""
    write, derive_all = Store.write, Store.derive_all
    store.DERIVE_ROWS = 3

    def die(one: Store) -> None:
        if one.bare:
            one.flush()
            one._db.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_write(self: Store, changes: list[Change], position: Any, fresh: Any = ()) -> None:
        write(self, changes, position, fresh)
        die(self)

    def dying_derive(self: Store, derived: Derive) -> Iterator[None]:
        for _ in derive_all(self, derived):
            die(self)
            yield

    if step == "records":
        Store.write = dying_write  # type: ignore[method-assign]
    else:
        Store.derive_all = dying_derive  # type: ignore[method-assign]


async def main() -> None:
    """Run until SIGTERM."""
    namespace, home, kafka = sys.argv[1:]
    settings = Settings(
        namespace=namespace,
        home=Path(home),
        kafka=kafka,
        session_timeout=float(os.environ.get("SESSION", "2")),
        standbys=int(os.environ.get("STANDBYS", "1")),
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    stage = Stage(settings, producer)
    app = make_app(settings, "test")
    source = f"{namespace}.in"
    tables = Tables(app, settings)
    words = tables.table("words", source, PARTITIONS, derive, stage.on_open, stage.on_close)

    async def feed(stream: Any) -> None:
        async for event in stream.events():
            queue = stage.queues.get(event.message.partition)
            if queue and event.value.current():
                for record in event.value.records:
                    queue.put_nowait(record)
                event.value.accepted()

    app.agent(words)(feed)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_app(app, stop)
    await producer.stop()
    say("stopped")


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("LOG", "WARNING"), format="%(asctime)s %(name)s %(message)s")
    if os.environ.get("DIE_AT") in {"records", "derived"}:
        die_rebuilding(os.environ["DIE_AT"])
    elif "DIE_AT" in os.environ:
        die_at(os.environ["DIE_AT"], int(os.environ.get("DIE_BATCH", "1")))
    asyncio.run(main())
