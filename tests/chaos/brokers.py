"""Three brokers, every record on all of them and acknowledged by two: their leaders die while crowds submit.

What was acknowledged is there at the end, executed once; and how long nothing was acknowledged after each death.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from streams.bench import load
from streams.bench.measure import machine
from streams.local.supervisor import TICK
from streams.local.topics_admin import admin
from streams.topics import Topics
from tests.chaos.crowd import Crowd, drained
from tests.chaos.faults import Hunt, kill, until_up, wait
from tests.chaos.figures import spread
from tests.chaos.stage import Stage
from tests.chaos.system import System, system
from tests.simulated.virtual.life import quietly

COUNT, RATE = 100_000, 1_000
"""Submissions, and how many of them a second at most: several leaders die meanwhile."""

PAUSE = 6.0
"""Seconds from the return of a broker to the next death: its copies have caught up by then."""

RUN = "three-brokers"


def three_brokers(say: Callable[[str], None], count: int = COUNT) -> dict[str, Any]:
    """Figures; `lost` are acknowledged submissions without a row of their own. Raises SetupError."""
    with quietly(), system(say, brokers=3) as tormented:
        crowd, stage = Crowd(tormented, RUN, RATE), Stage(tormented, say)
        with ThreadPoolExecutor(1) as pool:
            submitting = pool.submit(crowd.submit, load.tasks(count))
            deaths = _kill_leaders(stage, submitting.done)
            submitting.result()
        say("All are acknowledged; waiting for the end of everything ...")
        rows, distinct, succeeded = drained(crowd, count)
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


def _stalls(acknowledged: list[float], deaths: list[float]) -> list[float]:
    """Seconds of the longest time without an acknowledgement between each death and the next one."""
    times = sorted(acknowledged)
    gaps = [(before, after - before) for before, after in pairwise(times)]
    spans = pairwise([*deaths, times[-1]])
    return [max((gap for at, gap in gaps if since - 1 < at < until), default=0.0) for since, until in spans]
