"""How long a critical task takes from its submission to its start while a long line of low ones waits."""

import asyncio
from collections.abc import Iterator

from pipelines.ids import execution_id
from streams.bench import load, logs, measure
from streams.bench.overtaking import judge
from streams.bench.run import fresh_run, progress
from streams.bench.show import Figures, spread
from streams.bench.system import System, say
from streams.client import KafkaClient
from streams.engine.events import Moved
from streams.engine.records import TaskDef
from streams.envelope import recorded_events
from streams.topics import Topics

LOW, CRITICAL = 1, 9
POOL = "default"
ANY = "1"
"""All rows, in whatever state."""

WARM_UP = 200
"""Low ones before the backlog: a worker holds as many as it believes to start soon, by how long the last ones took."""

EVERY = 0.5
"""Seconds between two critical ones."""


def measure_priority(here: System, backlog: int, nap: float, repeats: int) -> Figures:
    """Submit the backlog, then critical ones one by one; the line must not be empty before the last one has left.

    Raises MeasurementError, also where tasks have several partitions: there no log says in what order all was decided.
    """
    if here.settings.task_partitions > 1:
        raise measure.MeasurementError(
            "priority is measured with one partition of tasks: unset HEADRACE_TASK_PARTITIONS"
        )
    topics, run = Topics.under(here.settings.namespace), fresh_run()
    warm = f"{run}-warm"
    asyncio.run(load.at_once(here.settings, _low(WARM_UP, nap), warm, lambda _: None))
    measure.wait_for_rows(here.client, [warm], WARM_UP, lambda _: None)
    place = logs.ends(here.settings, topics.events)
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
    critical = frozenset(submitted)
    found, left = judge(_steps(here, place), critical)
    if missing := critical - found.keys():
        raise measure.MeasurementError(f"the log does not say how {len(missing)} critical ones were given away")
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


def _steps(here: System, place: logs.Place) -> Iterator[Moved]:
    for records in logs.since(here.settings, place).values():
        for record in records:
            yield from (event for event in recorded_events(record.value) if isinstance(event, Moved))
