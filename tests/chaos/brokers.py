"""Three brokers, every record on all of them and acknowledged by two: their leaders die while crowds submit.

What was acknowledged is there at the end, executed once; and how long nothing was acknowledged after each death.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

from aiokafka.errors import KafkaError

from streams.bench import load
from streams.bench.measure import machine
from streams.client import KafkaClient
from streams.engine.records import TaskDef
from streams.local.supervisor import TICK
from streams.local.topics_admin import admin
from streams.topics import Topics
from tests.chaos.faults import Hunt, Stage, kill, until_up, wait
from tests.chaos.figures import spread
from tests.chaos.run import DRAIN
from tests.chaos.system import System, system
from tests.simulated.virtual.life import quietly

COUNT, CHUNK, CROWD = 100_000, 100, 4
"""Submissions, how many go together, and how many clients submit side by side."""

RATE = 1_000
"""Submissions a second at most, so that several leaders die meanwhile."""

PATIENCE = 30.0
"""Seconds after which a client that heard nothing submits again."""

PAUSE = 6.0
"""Seconds from the return of a broker to the next death: its copies have caught up by then."""

RUN = "three-brokers"
ROWS = """
SELECT count(), uniqExact(execution), countIf(state = 'succeeded') FROM executions WHERE run = {run:String}
"""


@dataclass
class Crowd:
    """Clients that submit until each submission is acknowledged; when they were, monotonic seconds."""

    system: System
    acknowledged: list[float] = field(default_factory=list)
    unknown: int = 0

    def run(self, tasks: Iterator[TaskDef]) -> None:
        """Submit them all."""
        asyncio.run(self._all(tasks))

    async def _all(self, tasks: Iterator[TaskDef]) -> None:
        async with KafkaClient(self.system.settings) as client:
            await asyncio.gather(*(self._one(client, tasks) for _ in range(CROWD)))

    async def _one(self, client: KafkaClient, tasks: Iterator[TaskDef]) -> None:
        while chunk := list(islice(tasks, CHUNK)):
            while not await self._submit(client, chunk):
                self.unknown += len(chunk)
            self.acknowledged += [time.monotonic()] * len(chunk)
            await asyncio.sleep(CROWD * CHUNK / RATE)

    @staticmethod
    async def _submit(client: KafkaClient, chunk: list[TaskDef]) -> bool:
        try:
            await asyncio.wait_for(client.submit_many(chunk, RUN), PATIENCE)
        except (KafkaError, TimeoutError):
            return False
        return True


def three_brokers(say: Callable[[str], None], count: int = COUNT) -> dict[str, Any]:
    """Figures; `lost` are acknowledged submissions without a row of their own. Raises SetupError."""
    with quietly(), system(say, brokers=3) as tormented:
        crowd, stage = Crowd(tormented), Stage(tormented, say)
        with ThreadPoolExecutor(1) as pool:
            submitting = pool.submit(crowd.run, load.tasks(RUN, count))
            deaths = _kill_leaders(stage, submitting.done)
            submitting.result()
        say("All are acknowledged; waiting for the end of everything ...")
        rows, distinct, succeeded = _drained(tormented, count)
        tormented.keep = (rows, distinct) != (count, count)
        return {
            "acknowledged": len(crowd.acknowledged),
            "unknown_and_submitted_again": crowd.unknown,
            "killed_leaders": len(deaths),
            "lost": count - distinct,
            "twice": rows - distinct,
            "succeeded": succeeded,
            "nothing_acknowledged_for_s": spread(_stalls(crowd.acknowledged, deaths)),
            "machine": machine(),
            "violations": {} if (rows, distinct, succeeded) == (count,) * 3 else {"I1": count - succeeded},
        }


def _kill_leaders(stage: Stage, done: Callable[[], bool]) -> list[float]:
    """Kill the leader of the first home partition, again and again, until all is submitted; when, monotonic seconds."""
    deaths: list[float] = []
    hunt = _hunt(stage, deaths)
    while not done():
        stage.system.supervisor.pause(TICK)
        next(hunt)
    stage.system.supervisor.pause(TICK)
    stage.system.supervisor.wait(stage.system.supervisor.children)
    return deaths


def _hunt(stage: Stage, deaths: list[float]) -> Hunt:
    while True:
        yield from wait(PAUSE)
        brokers = stage.system.of("kafka")
        victim = brokers[_leader(stage.system) - 1]
        deaths.append(time.monotonic())
        yield from kill(stage, "kafka", victim)
        yield from until_up(brokers)


def _leader(here: System) -> int:
    """The number of the broker that leads the first partition of headrace.tasks."""
    tasks = Topics.under(here.settings.namespace).tasks
    with admin(here.settings.kafka) as client:
        [topic] = client.describe_topics([tasks])
    return int(next(p["leader_id"] for p in topic["partitions"] if p["partition_index"] == 0))


def _drained(here: System, count: int) -> tuple[int, int, int]:
    """Rows, executions and successes in the history, once all are there or nothing has come for long."""
    found, changed = (0, 0, 0), time.monotonic()
    while found != (count,) * 3 and time.monotonic() < changed + DRAIN:
        here.supervisor.pause(1.0)
        rows, distinct, succeeded = (int(str(n)) for n in here.client.sql(ROWS, {"run": RUN}).rows[0])
        if (rows, distinct, succeeded) != found:
            found, changed = (rows, distinct, succeeded), time.monotonic()
    return found


def _stalls(acknowledged: list[float], deaths: list[float]) -> list[float]:
    """Seconds of the longest time without an acknowledgement between each death and the next one."""
    times = sorted(acknowledged)
    gaps = [(before, after - before) for before, after in pairwise(times)]
    spans = pairwise([*deaths, times[-1]])
    return [max((gap for at, gap in gaps if since - 1 < at < until), default=0.0) for since, until in spans]
