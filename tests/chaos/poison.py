"""Poison by the dozen a second, in each topic that others may write to: what nobody can read, and tasks that misbehave.

The misbehaving ones are tasks whose code raises, and now and then one that eats memory until it is stopped. They fail
with their reason, and the judge wants to see that. All others are compared with those of calm times in between.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaProducer

from pipelines.ids import execution_id, to_text
from streams.topics import Topics
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt, wait
from tests.chaos.figures import spread
from tests.chaos.stage import Stage, note
from tests.history.facts import Asked, Task

RATE = 50.0
"""Messages a second."""

WARM, TURN = 10.0, 15.0
"""Seconds before the first calm time, since what is cold is slow by itself; and of each calm or poisoned time."""

LEAST = WARM + 2 * TURN
"""Seconds until there was one of each."""

RUN = "poison"

WRONG = (
    b"",
    b"no JSON",
    b'{"type": "submit"}',
    b'{"type": "submit", "task": {"id": "x", "kind": "teleport"}}',
    b'{"type": "submit", "task": {"id": "x", "kind": "sleep", "seconds": 1, "payload": "%s"}}' % (b"x" * 300_000),
    b'{"type": "execute", "task": "nobody-made-this"}',
    b"\x93\xc1\xff",
)

EMPTY = b"\x90"
"""A message of ours without commands: it can be read, and nothing is wrong with it."""

RAISING = {"kind": "function", "function": "witnessed", "payload": {"seconds": 0, "fails": 1}}
ALONE = "kept = []\nwhile True:\n    kept.append(bytearray(16 << 20))"
TOGETHER = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        kept = bytearray(60 << 20)
        time.sleep(30)
time.sleep(30)
"""


class Misdeed(NamedTuple):
    """A task that is there to fail: what it does, what it is, the reason it fails with, and which messages it is."""

    what: str
    task: dict[str, Any]
    reason: str
    every: int


MISDEEDS = (
    Misdeed("raises", RAISING, "RuntimeError", 13),
    Misdeed("eats memory", {"kind": "python", "code": ALONE}, "MemoryError", 311),
    Misdeed("its processes eat memory", {"kind": "python", "code": TOGETHER}, "MB of memory and its limit is", 313),
)


def by_turns(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """Once all is warm, calm times and poisoned ones follow each other, so that both can be compared."""
    return {"poison": _hunt(stage, random.Random(seed))}


def _hunt(stage: Stage, chance: random.Random) -> Hunt:
    yield from wait(WARM)
    stage.extras["warm"] = time.time() * 1000
    numbers = count(1)
    while True:
        yield from wait(TURN)
        strike = note(stage, "poison", "clients", "clients")
        with _poisoning(stage, chance, numbers):
            try:
                yield from wait(TURN)
            finally:
                strike.end()


@contextmanager
def _poisoning(stage: Stage, chance: random.Random, numbers: Iterator[int]) -> Iterator[None]:
    """While inside, somebody sends it; what was acknowledged is noted."""
    stop, topics = threading.Event(), Topics.under(stage.system.settings.namespace)

    def run() -> None:
        producer = KafkaProducer(bootstrap_servers=stage.system.settings.kafka)
        for number in numbers:
            if stop.wait(1 / RATE):
                break
            if misdeed := next((m for m in MISDEEDS if number % m.every == 0), None):
                _submit(stage, number, misdeed, producer.send)
            else:
                topic = chance.choice((topics.submit, topics.tasks, topics.ready))
                message = _garbage(chance, known=topic == topics.submit)
                sent = producer.send(topic, message, partition=0).get(timeout=30)
                stage.asked.append(Asked("poison", "ok", place=(topic, sent.partition, sent.offset)))
        producer.close()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(run)
        try:
            yield
        finally:
            stop.set()
        sending.result()


def _garbage(chance: random.Random, *, known: bool) -> bytes:
    made = chance.choice(WRONG) if known else chance.randbytes(chance.choice((1, 20, 9_000)))
    return made if made != EMPTY else _garbage(chance, known=known)


def _submit(stage: Stage, number: int, misdeed: Misdeed, send: Callable[[str, bytes], Any]) -> None:
    """To be started once: then the judge asks no witness whether it may fail."""
    name = f"poison-{number}"
    which = to_text(execution_id(name, RUN))
    stage.tasks[which] = Task(at_most_once=True, fails_with=misdeed.reason)
    task = {"id": name, "delivery": "at_most_once", **misdeed.task}
    event = msgspec.json.encode({"type": "submit", "run": RUN, "task": task})
    send(Topics.under(stage.system.settings.namespace).submit, event).get(timeout=30)
    stage.asked.append(Asked("submit", "ok", which))


def compared(stage: Stage, found: Evidence) -> dict[str, Any]:
    """Milliseconds from a submission to the start of its code at either time, where it waits for nothing else."""
    misdeeds = {misdeed.reason: misdeed.what for misdeed in MISDEEDS}
    started = {w.execution: w.at for w in reversed(found.history.witnessed or ()) if w.word == "start"}
    waits: dict[bool, list[float]] = {True: [], False: []}
    for execution, task in found.history.tasks.items():
        alone = not (task.fails_with or task.upstream or task.not_before)
        if alone and execution in started and task.submitted >= stage.extras["warm"]:
            at = task.submitted
            waits[any(s.at <= at < s.over for s in stage.strikes)].append(started[execution] - at)
    calm, poisoned = _ranked(waits[False]), _ranked(waits[True])
    return {
        "submit_to_start_ms_calm": calm,
        "submit_to_start_ms_poisoned": poisoned,
        "poisoned_to_calm": {which: round(poisoned[which] / calm[which], 2) for which in ("p50", "p99")},
        "poison_messages": sum(asked.what == "poison" for asked in stage.asked),
        "failed_as_they_should": dict(Counter(misdeeds[task.fails_with] for task in stage.tasks.values())),
        "dead_letters": len(found.history.letters or ()),
    }


def _ranked(those: list[float]) -> dict[str, float]:
    ranked = sorted(those)
    return {**spread(those), "p99": round(ranked[len(ranked) * 99 // 100], 2)} if ranked else {}
