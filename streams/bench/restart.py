"""How long a scheduler takes until it decides again: started anew, or taken over by another one's warm copies."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipelines.ids import execution_id, home_of
from streams.bench import load, logs, measure
from streams.bench.run import fresh_run
from streams.bench.show import Figures
from streams.bench.system import System, say
from streams.client import KafkaClient
from streams.engine.events import Moved
from streams.engine.records import TaskDef
from streams.envelope import recorded_events
from streams.local.supervisor import Child, role
from streams.topics import Topics

SCHEDULER = "scheduler"
PATIENCE = 900.0
"""Seconds after which a scheduler that decides nothing has failed."""

QUIET = 0.1
"""Share of a processor below which warm copies have caught up: they have nothing left to read."""


def restarts(here: System) -> Figures:
    """Seconds to the first decision and the first dispatch on every partition: warm folder, no folder, a warm copy."""
    kept = _after(here, "the scheduler starts again on its folder", lambda: _stop(here))
    cold = _after(here, "the scheduler starts again without its folder", lambda: _stop(here, wipe=True))
    first, second = here.child(SCHEDULER), _second(here)
    owned = _owned(here)
    killed = max((first, second), key=lambda child: len(owned.get(_pid(child), [])))
    partitions = owned.get(_pid(killed), [])
    say(f"{killed.role.name} has partitions {partitions} of the tasks, and is killed ...")
    taken = _after(here, "the other one takes over", killed.kill, start=False)
    return {"folder_kept": kept, "folder_removed": cold, "standby": {"partitions": partitions, **taken}}


def _after(here: System, what: str, end: Callable[[], None], *, start: bool = True) -> Figures:
    """End a scheduler, leave a task for each partition, and wait until all are decided on and dispatched."""
    place = logs.ends(here.settings, Topics.under(here.settings.namespace).events)
    end()
    begun = time.monotonic()
    probes = asyncio.run(_leave_probes(here))
    if start:
        begun = time.monotonic()
    seen = asyncio.run(_watch(here, place, probes, here.supervisor.tick if start and here.supervisor else None))
    found = {step: round(max(at[step] for at in seen.values()) - begun, 2) for step in ("created", "assigned")}
    say(f"{what}: decides after {found['created']} s, dispatches after {found['assigned']} s")
    return {"first_decision_s": found["created"], "first_dispatch_s": found["assigned"]}


def _stop(here: System, *, wipe: bool = False) -> None:
    here.child(SCHEDULER).stop()
    if wipe:
        shutil.rmtree(here.settings.home / "state")


async def _leave_probes(here: System) -> set[bytes]:
    """A task on each partition of the tasks; their ids."""
    run, partitions = fresh_run(), here.settings.task_partitions
    by_home: dict[int, TaskDef] = {}
    number = 0
    while len(by_home) < partitions:
        task = TaskDef(f"probe-{run}-{number}", "function", load.CALL, b"null", priority=9, owner=load.OWNER)
        by_home.setdefault(home_of(execution_id(task.id, run), partitions), task)
        number += 1
    async with KafkaClient(here.settings) as client:
        return set(map(bytes, await client.submit_many(by_home.values(), run)))


async def _watch(
    here: System, place: logs.Place, probes: set[bytes], tick: Callable[[], None] | None
) -> dict[bytes, dict[str, float]]:
    """When each probe took each of its steps, by our monotonic clock. `tick` starts what is to be started."""
    seen: dict[bytes, dict[str, float]] = {which: {} for which in probes}
    until = time.monotonic() + PATIENCE
    if tick:
        tick()
    async with AIOKafkaConsumer(bootstrap_servers=here.settings.kafka) as consumer:
        consumer.assign(list(place))
        for tp, offset in place.items():
            consumer.seek(tp, offset)
        while not all("assigned" in steps for steps in seen.values()):
            for records in (await consumer.getmany(timeout_ms=20)).values():
                for event in (event for record in records for event in recorded_events(record.value)):
                    if isinstance(event, Moved) and event.execution.id in seen:
                        seen[event.execution.id].setdefault(event.what, time.monotonic())
            if tick:
                tick()
            if time.monotonic() > until:
                raise measure.MeasurementError(f"no scheduler decided within {PATIENCE:.0f} s")
    return seen


def _second(here: System) -> Child:
    """Another scheduler, once it has warm copies."""
    if here.supervisor is None:
        raise ValueError("only a system of ours gets a second scheduler")
    other = here.settings.model_copy(update={"home": here.settings.home / "second"})
    begun = time.monotonic()
    (child,) = here.supervisor.launch([replace(role(SCHEDULER, other), name=f"{SCHEDULER}-2")])
    here.supervisor.wait([child], PATIENCE)
    process = psutil.Process(_pid(child))
    quiet = 0
    while quiet < 2:  # noqa: PLR2004  (one quiet moment may be the pause between two reads)
        quiet = quiet + 1 if process.cpu_percent(1.0) < 100 * QUIET else 0
        if time.monotonic() - begun > PATIENCE:
            raise measure.MeasurementError(f"the warm copies did not catch up within {PATIENCE:.0f} s")
    say(f"a second scheduler has warm copies after {time.monotonic() - begun:.1f} s")
    return child


def _owned(here: System) -> dict[int, list[int]]:
    """Which partitions of the tasks each scheduler says that it has, by its process id."""
    topic = Topics.under(here.settings.namespace).status
    records = logs.since(here.settings, {TopicPartition(topic, 0): 0})
    words = [_word(r.value) for found in records.values() for r in found if r.key and r.key.startswith(b"role/sched")]
    return {word["pid"]: sorted(word.get("partitions", {}).get("tasks", [])) for word in words if word}


def _word(value: bytes | None) -> dict[str, Any]:
    return msgspec.json.decode(value, type=dict[str, Any]) if value else {}


def _pid(child: Child) -> int:
    return child.process.pid if child.process else 0
