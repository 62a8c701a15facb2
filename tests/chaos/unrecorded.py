"""How much gets dispatched while the ClickHouse server is away, against how much while it is there.

As fast as clients can submit, so that a halved capacity would show; and by turns, since a machine's speed drifts. The
server is on the same machine: while it is away, its share of the cores is the others'.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from math import inf
from statistics import median
from typing import Any, NamedTuple

from streams.bench import load, logs
from streams.bench.measure import machine, until_quiet
from streams.topics import Topics
from tests.chaos.crowd import Crowd, drained
from tests.chaos.evidence import dispatched
from tests.chaos.stage import Stage
from tests.chaos.weather import beside_a_server, without_clickhouse
from tests.simulated.virtual.life import quietly

COUNT, PAIRS = 200_000, 4
"""Executions in each half, and how many pairs of halves."""

STILL, LOOK = 3.0, 0.5
"""Seconds without a dispatch after which nothing more is dispatched, and between two looks."""

LEAST = 0.95
"""The share of the rate beside a server that must be left without it."""


class Half(NamedTuple):
    """Executions a second from the first dispatch to the last, and seconds from its end until all were in the history.

    `cores` are what the server took meanwhile. `wrong`: how many were not dispatched, or have not the one row of a
    success.
    """

    rate: float
    cores: float
    recorded: float
    wrong: int


def clickhouse_rate(say: Callable[[str], None], count: int = COUNT, pairs: int = PAIRS) -> dict[str, Any]:
    """Dispatches a second with the server and without it. Raises SetupError."""
    with quietly(), beside_a_server(say) as tormented:
        stage = Stage(tormented, say)
        _half(stage, "warm", count // 20, nullcontext())
        found: list[tuple[Half, Half]] = []
        for number in range(pairs):
            turns: dict[str, AbstractContextManager[object]]
            turns = {"there": nullcontext(), "away": without_clickhouse(stage)}
            order = list(turns) if number % 2 == 0 else list(reversed(turns))
            halves = {which: _half(stage, f"{which}-{number}", count, turns[which]) for which in order}
            found.append((halves["there"], halves["away"]))
        figures = _figures(found)
        tormented.keep = "I7" in figures["violations"]
        return {"executions": 2 * pairs * count, **figures, "machine": machine()}


def _figures(found: list[tuple[Half, Half]]) -> dict[str, Any]:
    there, away = zip(*found, strict=True)
    ratios = [one.rate / other.rate for other, one in found]
    wrong = sum(half.wrong for half in (*there, *away))
    return {
        "dispatched_per_second_there": [round(half.rate) for half in there],
        "dispatched_per_second_away": [round(half.rate) for half in away],
        "away_to_there": [round(ratio, 3) for ratio in ratios],
        "away_to_there_median": round(median(ratios), 3),
        "cores_of_the_server_there": [round(half.cores, 2) for half in there],
        "recorded_after_s_there": [round(half.recorded, 1) for half in there],
        "recorded_after_s_away": [round(half.recorded, 1) for half in away],
        "violations": {**({"I7": wrong} if wrong else {}), **({"throughput": 1} if median(ratios) < LEAST else {})},
    }


def _half(stage: Stage, run: str, count: int, weather: AbstractContextManager[object]) -> Half:
    """Submit so many in this weather; it is over once nothing is dispatched any more."""
    settings, crowd = stage.system.settings, Crowd(stage.system, run)
    topic = Topics.under(settings.namespace).dispatch
    place = logs.ends(settings, topic)
    with weather, ThreadPoolExecutor(1) as pool:
        cpu = _cpu(stage)
        submitting = pool.submit(crowd.submit, load.tasks(count))
        _until_still(stage, submitting.done, lambda: logs.ends(settings, topic))
        submitting.result()
        cpu = _cpu(stage) - cpu
    over = time.monotonic()
    rows = drained(crowd, count)
    recorded = time.monotonic() - over
    until_quiet(stage.system.client)
    times = _first_dispatches(stage, place)
    seconds = max(times) - min(times)
    stage.say(f"{run}: {len(times) / seconds:,.0f} dispatched a second, in the history after {recorded:.1f} s")
    wrong = sum(abs(count - found) for found in (len(times), *rows))
    return Half(len(times) / seconds, cpu / seconds, recorded, wrong)


def _cpu(stage: Stage) -> float:
    """CPU seconds of the server."""
    return stage.system.clickhouse.cpu() if stage.system.clickhouse else 0.0


def _until_still(stage: Stage, submitted: Callable[[], bool], ends: Callable[[], logs.Place]) -> None:
    before, changed = ends(), time.monotonic()
    while not submitted() or time.monotonic() < changed + STILL:
        stage.system.supervisor.pause(LOOK)
        if (now := ends()) != before:
            before, changed = now, time.monotonic()


def _first_dispatches(stage: Stage, place: logs.Place) -> list[float]:
    """When each execution was first given to a worker since then, seconds."""
    settings, first = stage.system.settings, dict[str, float]()
    for records in logs.since(settings, place).values():
        for one in dispatched(records, settings):
            first[one.execution] = min(one.at / 1000, first.get(one.execution, inf))
    return list(first.values())
