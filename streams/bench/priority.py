"""How long a critical task takes from its submission to its start while a long line of low ones waits."""

import asyncio
from collections.abc import Iterator
from typing import Any

from pipelines.ids import execution_id
from streams.bench import load, logs, measure
from streams.bench.overtaking import Assigned, Given, judge
from streams.bench.run import fresh_run, progress
from streams.bench.show import Figures, spread
from streams.bench.system import System, say
from streams.client import KafkaClient
from streams.engine.commands import Ready
from streams.engine.records import TaskDef
from streams.envelope import ready_commands, task_commands
from streams.topics import Topics, pool_partition

LOW, CRITICAL = 1, 9
POOL = "default"
ANY = "1"
"""All rows, in whatever state."""

WARM_UP = 200
"""Low ones before the backlog: a worker holds as many as it believes to start soon, by how long the last ones took."""

EVERY = 0.5
"""Seconds between two critical ones."""


def measure_priority(here: System, backlog: int, nap: float, repeats: int) -> Figures:
    """Submit the backlog, then critical ones one by one; the line must not be empty before the last one has left."""
    topics, run = Topics.under(here.settings.namespace), fresh_run()
    warm = f"{run}-warm"
    asyncio.run(load.at_once(here.settings, _low(WARM_UP, nap), warm, lambda _: None))
    measure.wait_for_rows(here.client, [warm], WARM_UP, lambda _: None)
    place = logs.ends(here.settings, topics.ready, topics.tasks)
    with progress(backlog, "sent") as step:
        asyncio.run(load.at_once(here.settings, _low(backlog, nap), run, step))
    with progress(backlog, "in line") as step:
        measure.wait_for_rows(here.client, [run], backlog, step, which=ANY)
    say(f"{backlog:,} wait; {repeats} critical ones follow ...")
    urgent = f"{run}-critical"
    submitted = asyncio.run(_critical(here, urgent, repeats))
    measure.wait_for_rows(here.client, [urgent], repeats, lambda _: None)
    return _figures(here, place, submitted, backlog)


def _low(count: int, nap: float) -> Iterator[TaskDef]:
    noise = load.noise()
    call = b'{"function":"headrace.nap"}'
    for number in range(count):
        payload = b'{"seconds":%g,"noise":%b}' % (nap, noise[number % load.DISTINCT])
        yield load.one(number, payload, call, priority=LOW)


async def _critical(here: System, run: str, count: int) -> dict[bytes, int]:
    """Submit them; when each was, in epoch milliseconds, by its id."""
    submitted = {}
    payload = load.noise()[0]
    async with KafkaClient(here.settings) as client:
        for number in range(count):
            await asyncio.sleep(EVERY)
            task = load.one(number, payload, priority=CRITICAL, pool=POOL)
            submitted[bytes(execution_id(task.id, run))] = load.now_ms()
            await client.submit_many([task], run)
    return submitted


def _figures(here: System, place: logs.Place, submitted: dict[bytes, int], backlog: int) -> Figures:
    found, left = _judged(here, place, frozenset(submitted))
    if left <= 0:
        raise measure.MeasurementError(f"the backlog of {backlog:,} was used up before the last critical one left it")
    each = [(at, found[which]) for which, at in submitted.items()]
    return {
        "backlog": backlog,
        "left_in_line": left,
        "critical": len(each),
        "submit_to_start_ms": spread([given.started_at - at for at, given in each]),
        "in_line_ms": spread([given.assigned_at - given.ready_at for _, given in each]),
        "low_dispatched_while_it_was_in_line": spread([given.overtaken for _, given in each]),
        "low_started_by_its_worker_before_it": spread([given.held for _, given in each]),
        "machine": measure.machine(),
    }


def _judged(here: System, place: logs.Place, critical: frozenset[bytes]) -> tuple[dict[bytes, Given], int]:
    """What became of each, and how many low ones stood in line when the last was given away."""
    topics, settings = Topics.under(here.settings.namespace), here.settings
    messages = logs.since(settings, place)
    assigned = Assigned()
    for tp, records in messages.items():
        if tp.topic == topics.tasks:
            for record in records:
                for command in task_commands(record.value):
                    assigned.take(command, record.timestamp)
    number = pool_partition(POOL, settings.ready_partitions)
    line = [
        (record.timestamp, ready_commands(record.value))
        for tp, records in messages.items()
        if (tp.topic, tp.partition) == (topics.ready, number)
        for record in records
    ]
    found = judge(line, assigned, critical, POOL)
    if missing := critical - found.keys():
        raise measure.MeasurementError(f"the log does not say how {len(missing)} critical ones were given away")
    return found, _left(line, assigned, max(given.assigned_at for given in found.values()))


def _left(line: list[tuple[int, list[Any]]], assigned: Assigned, at: int) -> int:
    came = {c.id for when, commands in line if when <= at for c in commands if isinstance(c, Ready) and c.pool == POOL}
    return len(came) - sum(1 for which in came if assigned.at.get(which, at + 1) <= at)
