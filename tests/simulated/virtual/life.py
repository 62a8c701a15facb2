"""One seed, from its beginning to its verdict. The same seed gives the same life, message by message."""

import contextlib
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import structlog
from aiokafka import TopicPartition

from streams.app import plans
from tests.history import read, replay
from tests.history.facts import Copy, History
from tests.history.judge import Verdict, judge
from tests.simulated.node import content
from tests.simulated.virtual import kafka, sinks
from tests.simulated.virtual.clock import virtual_time
from tests.simulated.virtual.scheduler import changelog
from tests.simulated.virtual.world import SETTINGS, World

SIZE = 6
"""Executions in a life."""


@dataclass(frozen=True)
class Life:
    """What came of a seed. `trace` is a hash of all that stood in all topics."""

    seed: int
    verdict: Verdict
    trace: str
    history: History
    seconds: float
    steps: int

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.verdict}\nreplay: python -m tests.simulated --from {self.seed} --seeds 1"


def live(seed: int, size: int = SIZE) -> Life:
    """Live one life and judge it."""
    gc.disable()  # when it collects is not the seed's to say
    try:
        with virtual_time() as loop, surroundings(World(loop, seed, size)) as world:
            loop.run_until_complete(world.live())
            history = history_of(world)
            trace = world.broker.trace(world.topics.status)
            return Life(seed, judge(history), trace, history, loop.now, loop.steps)
    finally:
        gc.enable()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """While inside, nothing is logged: what goes wrong here goes wrong on purpose."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


@contextlib.contextmanager
def surroundings(world: World) -> Iterator[World]:
    """While inside, the program meets this world where it reaches for Kafka, the disk, ClickHouse and the targets."""
    names = (f"{world.chance.getrandbits(32):08x}" for _ in iter(int, 1))
    consumer, producer = partial(kafka.Consumer, world.broker), partial(kafka.Producer, world.broker)
    with contextlib.ExitStack() as stack:
        for place, twin in {
            "streams.stages.sender.AIOKafkaProducer": producer,
            "streams.client.AIOKafkaProducer": producer,
            "streams.client.listens": _there,
            "streams.client.stop_soon": kafka.Producer.stop,
            "streams.worker.lane.AIOKafkaConsumer": consumer,
            "streams.worker.worker.AGAIN": SETTINGS.lease / 5,  # as short as all else is here
            "streams.worker.incarnation.secrets.token_hex": lambda _bytes: next(names),
            "streams.worker.incarnation.version": lambda _name: "0",
            "streams.state.reader.AIOKafkaConsumer": consumer,
            "streams.state.writer.fenced_producer": lambda _at, name: kafka.fenced_producer(world.broker, name),
            "streams.state.room.Store": world.disk.open,
            "streams.state.room.prepare_topics": _nothing,
            "streams.state.room.stop_process": world.stop_process,
            "streams.state.active.stop_process": world.stop_process,
            "sinks.record.feed.AIOKafkaConsumer": consumer,
            "sinks.notify.notifier.AIOKafkaConsumer": consumer,
            "sinks.notify.notifier.AIOKafkaProducer": producer,
            "sinks.notify.notifier.AIOKafkaAdminClient": partial(kafka.Admin, world.broker),
            "sinks.notify.notifier.load_services": lambda: None,
            "sinks.notify.notifier.compose": sinks.compose,
            "sinks.notify.target._in_thread": world.targets.in_thread,
            "socket.gethostname": lambda: "host",
            "os.getpid": lambda: 1,
        }.items():
            stack.enter_context(patch(place, twin))
        try:
            yield world
        finally:  # while the twins are still there: what the dead clean up must not reach for the real ones
            world.loop.end()


async def _nothing(*_: Any) -> None:
    """What is not needed here, or not wanted."""


async def _there(*_: Any) -> bool:
    return True


def history_of(world: World) -> History:
    """All that anyone saw of a life."""

    def values(topic: str, partition: int = 0) -> list[bytes]:
        return [record.value or b"" for record in world.broker.logs[TopicPartition(topic, partition)]]

    topics, homes = world.topics, range(world.settings.task_partitions)
    return History(
        asked=world.asked,
        tasks=world.people.tasks,
        witnessed=world.witnesses,
        steps=read.steps_of(values(topics.events)),
        rows=world.house.rows(),
        deliveries=world.targets.told,
        letters=read.letters_of(values(topics.dead_letters)),
        ready=read.line_of(values(topics.ready)),
        assigned=read.assigned_of(value for home in homes for value in values(topics.tasks, home)),
        copies=list(_copies(world)),
        troubles=world.troubles,
    )


def _copies(world: World) -> Iterator[Copy]:
    """Each table as its owner has it, against its input up to there made anew, and against its changelog."""
    by_changelog = {changelog(SETTINGS, plan): plan for plan in plans(world.settings)}
    for scheduler in world.present():
        for tp, partition in scheduler.owned.items():
            plan, live = by_changelog[tp.topic], dict(content(partition))
            log = world.broker.logs[TopicPartition(plan.source, tp.partition)][: partition.marker + 1]
            yield Copy(
                f"{plan.table}-{tp.partition} and its input",
                live,
                replay.from_input(plan, world.settings, tp.partition, log),
            )
            folded = replay.from_changelog(plan, world.broker.logs[tp][: partition._store.position.offset + 1])
            yield Copy(f"{plan.table}-{tp.partition} and its changelog", live, folded)
