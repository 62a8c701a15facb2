"""The role `scheduler` in virtual time: its own room, feeds, loops and stages; only Faust around them is replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, Protocol

from aiokafka import TopicPartition

from streams.app import Plan, plans
from streams.settings import Settings
from streams.stages.feed import Feed, Nearby
from streams.stages.loop import Stage
from streams.stages.sender import Sender
from streams.state.active import ActivePartition
from streams.state.exits import FENCED
from streams.state.faust_fixes import Interrupted
from streams.state.inputs import Fetch
from streams.state.room import Room
from streams.state.table import Table
from streams.state.writer import FencedError
from streams.topics import Topics
from tests.simulated.virtual.broker import Broker
from tests.simulated.virtual.group import Group

NEVER = -1
"""The generation of who has not heard of any."""

REREAD = 3
"""Messages before the table's own place that a stream may deliver once more."""


class Surroundings(Protocol):
    """What a scheduler runs in."""

    settings: Settings
    broker: Broker
    group: Group

    def stop_process(self, status: int, sentence: str) -> NoReturn:
        """A process ends at once."""

    def trouble(self, sentence: str) -> None:
        """A process ended by an error of ours."""


def changelog(settings: Settings, plan: Plan) -> str:
    """The name of a table's changelog, as streams.state.tables has it."""
    return f"{settings.namespace}.{plan.table}-changelog"


class Stream:
    """The messages of one input partition from an offset on, as a Faust stream hands them out."""

    def __init__(self, broker: Broker, tp: TopicPartition, start: int) -> None:
        self._broker, self._tp, self._at = broker, tp, start

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        """Without end."""
        while True:
            log = self._broker.logs[self._tp]
            if self._at >= len(log):
                await self._broker.appended([self._tp])
            await asyncio.sleep(self._broker.delay())
            records = log[self._at :]
            self._at += len(records)
            accepted = asyncio.Event()
            fetch = Fetch(records, self._at, accepted.set, lambda: True)  # who gives a partition up cancels its stream
            yield SimpleNamespace(message=SimpleNamespace(partition=self._tp.partition), value=fetch)
            await accepted.wait()


class Scheduler:
    """One process of the role. `node` is its machine: whose disk it has."""

    def __init__(self, world: Surroundings, name: str, node: str) -> None:
        self.name = name
        self._world, self._settings = world, world.settings
        self._senders: list[Sender] = []
        self.room = Room("", world.settings.namespace, 1, Path(f"/{node}"), lambda _tp, _offset: None)
        self._feeds: dict[str, Feed] = {}
        self._nearby = Nearby()
        self._streams: list[asyncio.Task[None]] = []
        self._taking: asyncio.Task[None] | None = None
        self._wanted = True
        self._generation = NEVER
        for plan in plans(world.settings):
            self._declare(plan)

    def _declare(self, plan: Plan) -> None:
        settings = self._settings
        dead = Topics.under(settings.namespace).dead_letters
        stage = Stage(plan.table, plan.source, dead, lambda partition: plan.logic(partition, settings))
        sender = Sender(settings, self._nearby)
        self._senders.append(sender)
        feed = self._feeds[plan.source] = self._nearby.feeds[plan.source] = Feed(stage, sender, self._fail)
        log = changelog(settings, plan)
        self.room.declare(Table(plan.table, plan.source, plan.partitions, log, plan.derive, feed.open, feed.close))

    @property
    def owned(self) -> dict[TopicPartition, ActivePartition]:
        """The partitions that it owns, by their changelogs."""
        return self.room._actives

    async def run(self) -> None:
        """Until it is killed."""
        for sender in self._senders:
            await sender.__aenter__()  # left by no way but a kill
        await self.room.prepare()
        self._world.group.join(self.name)
        while True:
            await self._beat()
            await asyncio.sleep(self._settings.session_timeout / 4)

    async def _beat(self) -> None:
        """Follow the group: give up at a new generation, take what it gives, come back where it put us out."""
        group = self._world.group
        # an answer that is no quicker than a batch: a zombie may write before it knows
        await asyncio.sleep(self._world.broker.chance.uniform(0, self._settings.session_timeout / 8))
        generation = group.beat(self.name)
        if generation is None:
            self._give_up()
            self._generation = NEVER
            group.join(self.name)
            return
        if generation != self._generation:
            self._give_up()
            self._generation = generation
            self._wanted = True
            group.ready(self.name, generation)
        if self._wanted and (share := group.share(self.name, generation)):
            self._wanted = False
            self._taking = asyncio.create_task(self._take(self._taking, generation, *share))

    def _give_up(self) -> None:
        self.room.give_up()
        for stream in self._streams:
            stream.cancel()
        self._streams.clear()

    async def _take(
        self,
        earlier: asyncio.Task[None] | None,
        generation: int,
        actives: set[TopicPartition],
        standbys: set[TopicPartition],
    ) -> None:
        """One after the other, as Faust's recovery does it: a share may be old when its turn comes."""
        if earlier:
            await asyncio.wait([earlier])
        if generation != self._generation:
            return
        with contextlib.suppress(Interrupted):
            try:
                starts = await self.room.take(actives, standbys)
            except Interrupted:
                raise
            except FencedError as error:  # somebody was quicker: in order, a new start joins as a newcomer
                self._world.stop_process(FENCED, str(error))
            except Exception as error:  # noqa: BLE001  (whatever it is: the process would end)
                self._fail(f"{self.name} cannot take {sorted(actives)}: {error!r}")
                return
            for tp, start in starts.items():
                begin = max(0, start - self._world.broker.chance.randrange(REREAD))
                stream = Stream(self._world.broker, tp, begin)
                self._streams.append(asyncio.create_task(self._feeds[tp.topic].agent(stream)))

    def _fail(self, sentence: str) -> None:
        self._world.trouble(sentence)
