"""How much gets done while a scheduler joins or leaves every few seconds, against how much in peace."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from random import Random
from typing import Any

from streams.bench import load
from streams.bench.measure import machine
from streams.local.supervisor import TICK
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Hunt, visits, wait
from tests.chaos.stage import Stage
from tests.chaos.system import system
from tests.simulated.virtual.life import quietly

COUNT = 150_000
"""Executions in each half."""

LEAST = 0.3
"""The share of the rate in peace that must be left."""

LOOK = 1.0
"""Seconds between two looks at the history."""


def storm_rate(say: Callable[[str], None], count: int = COUNT) -> dict[str, Any]:
    """Executions a second in peace and in the storm. Raises SetupError."""
    with quietly(), system(say) as tormented:
        stage = Stage(tormented, say)
        _rate(stage, "warm", count // 50, wait(inf))
        peace = _rate(stage, "peace", count, wait(inf))
        storm = _rate(stage, "storm", count, visits(stage, (0.0, 2.0), Random(1)))
        rebalances = len(stage.strikes)
        return {
            "executions_per_second": {"peace": round(peace), "storm": round(storm), "share": round(storm / peace, 2)},
            "joined_or_left": rebalances,
            "machine": machine(),
            "violations": {} if storm >= LEAST * peace else {"throughput": 1},
        }


def _rate(stage: Stage, run: str, count: int, hunt: Hunt) -> float:
    """Executions a second until all of them are in the history, each once."""
    crowd, begun, all_there = Crowd(stage.system, run), time.monotonic(), False
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(crowd.submit, load.tasks(count))
        while not all_there:
            look = time.monotonic() + LOOK
            while time.monotonic() < look:
                stage.system.supervisor.pause(TICK)
                next(hunt)
            all_there = submitting.done() and crowd.rows() == (count,) * 3
        submitting.result()
    hunt.close()
    return count / (time.monotonic() - begun)
