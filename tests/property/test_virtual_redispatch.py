"""How soon a killed worker's task is dispatched again, in virtual time, whatever happens to who dispatches."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka import TopicPartition

from streams.client import KafkaClient
from streams.engine.backoff import LOSS_DELAY
from streams.engine.commands import Run
from streams.engine.records import Job, TaskDef
from streams.envelope import lane_messages, ready_commands
from tests.simulated.virtual.clock import virtual_time
from tests.simulated.virtual.life import quietly, surroundings
from tests.simulated.virtual.world import ROLES, SETTINGS, World

LEASE, SESSION = SETTINGS.lease, SETTINGS.session_timeout
SLACK = LEASE / 10 + LOSS_DELAY / 1000 + 0.1
"""Virtual seconds: until the next look, until it stands in line again, and all messages on the way."""

REBALANCE = SESSION / 2
"""Virtual seconds that a change of hands takes where everyone is there: two heartbeats of each, and the tables."""

SEEDS = range(2)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


class Scene:
    """Two schedulers, and two workers of whom one is busy; times are virtual seconds."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def begin(self) -> None:
        """Everyone is there, and the task runs."""
        for name in ROLES:
            self.world.start(name)
        await asyncio.sleep(4 * LEASE)
        async with KafkaClient(self.world.settings) as client:
            task = TaskDef("t", "python", b'{"code":"script"}', b'{"seconds":20,"ends":["succeeded"]}')
            await client.submit_many([task], "r")
        while not self.world.busy:  # noqa: ASYNC110  (looking on changes nothing)
            await asyncio.sleep(0.01)
        await asyncio.sleep(LEASE)

    def kill_worker(self) -> None:
        """The one that is busy."""
        (name,) = self.world.busy.values()
        self.world.living[name].kill()

    async def trouble(self, what: str, later: float) -> None:
        """To the scheduler that dispatches, or to its group."""
        await asyncio.sleep(later)
        owner = next(name for name, s in self.world.schedulers.items() if any("ready" in tp.topic for tp in s.owned))
        if what == "kill":
            self.world.living[owner].kill()
        elif what == "pause":
            await self.away(1.2 * SESSION, owner)
        else:
            self.world.group.unsettle()

    async def away(self, seconds: float, *names: str) -> None:
        """Processes hang for a while."""
        hanging = [self.world.living[name] for name in names]
        for process in hanging:
            process.pause()
        await asyncio.sleep(seconds)
        for process in hanging:
            process.resume(self.world.loop)

    async def again(self) -> float:
        """Seconds from now until it is dispatched for the second time."""
        begun = self.world.loop.now
        while not any(job.attempt > 1 for job in self._jobs()):  # noqa: ASYNC110  (looking on changes nothing)
            await asyncio.sleep(0.01)
        return self.world.loop.now - begun

    def workers(self) -> set[str]:
        """Whoever has said something."""
        log = self.world.broker.logs[TopicPartition(self.world.topics.ready, 0)]
        return {c.worker for record in log for c in ready_commands(record.value or b"") if hasattr(c, "limit")}

    def _jobs(self) -> list[Job]:
        logs = [self.world.broker.logs[TopicPartition(self.world.topics.dispatch, n)] for n in range(SETTINGS.lanes)]
        messages = [m for log in logs for record in log for m in lane_messages(record.value or b"")]
        return [message.job for message in messages if isinstance(message, Run)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("after", [-LEASE / 2, 0.0, LEASE / 2, 0.9 * LEASE])
@pytest.mark.parametrize(("what", "takes"), [("kill", 2 * SESSION), ("pause", 2 * SESSION), ("rebalance", REBALANCE)])
def test_a_takeover_begins_no_new_lease(what: str, takes: float, after: float, seed: int) -> None:
    """The lease counts from the last beat: what is late is late by the takeover itself, and only if that came last."""

    async def play(scene: Scene) -> float:
        await scene.begin()
        trouble = asyncio.create_task(scene.trouble(what, max(after, 0)))
        await asyncio.sleep(max(-after, 0))
        scene.kill_worker()
        taken = await scene.again()
        await trouble
        return taken

    assert _played(seed, play) <= max(LEASE, after + takes) + SLACK


@pytest.mark.parametrize("seed", SEEDS)
def test_who_lives_keeps_its_lease_while_no_dispatcher_reads(seed: int) -> None:
    """Beats that nobody read for two leases count by the log's own times."""

    async def play(scene: Scene) -> float:
        await scene.begin()
        before = scene.workers()
        await scene.away(2 * LEASE, "scheduler-0", "scheduler-1")
        await asyncio.sleep(3 * LEASE)
        assert scene.workers() == before, "nobody had to begin anew"
        return 0.0

    _played(seed, play)


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_late_after_the_broker_was_away_keeps_its_lease(seed: int) -> None:
    """All leases begin anew when the log goes on, for those too who find their way back later than others."""

    async def play(scene: Scene) -> float:
        await scene.begin()
        before = scene.workers()
        scene.world.broker.trouble.down_until = scene.world.loop.now + 2 * LEASE
        await scene.away(2.5 * LEASE, "worker-1")
        await asyncio.sleep(3 * LEASE)
        assert scene.workers() == before, "nobody had to begin anew"
        return 0.0

    _played(seed, play)


def _played(seed: int, play: Callable[[Scene], Awaitable[float]]) -> float:
    with virtual_time() as loop, surroundings(World(loop, seed, 0)) as world:
        return loop.run_until_complete(play(Scene(world)))
