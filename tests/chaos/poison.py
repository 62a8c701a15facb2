"""Messages that nobody can read, by the dozen a second, in each topic that others may write to."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer

from streams.topics import Topics
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt, wait
from tests.chaos.figures import spread
from tests.chaos.stage import Stage, note

RATE = 50.0
"""Messages a second."""

WRONG = (
    b"",
    b"no JSON",
    b'{"type": "submit"}',
    b'{"type": "submit", "task": {"id": "x", "kind": "teleport"}}',
    b'{"type": "submit", "task": {"id": "x", "kind": "sleep", "seconds": 1, "payload": "%s"}}' % (b"x" * 300_000),
    b'{"type": "execute", "task": "nobody-made-this"}',
    b"\x93\xc1\xff",
)


def half_of_it(stage: Stage, seed: int, seconds: float) -> dict[str, Hunt]:
    """Half of the time is calm, so that both halves can be compared."""
    return {"poison": _hunt(stage, seed, seconds / 2)}


def _hunt(stage: Stage, seed: int, calm: float) -> Hunt:
    yield from wait(calm)
    strike = note(stage, "poison", "clients", "clients")
    with _poisoning(stage, seed) as sent:
        try:
            while True:
                yield
        finally:
            strike.end()
            stage.extras["poison"] = sent


@contextmanager
def _poisoning(stage: Stage, seed: int) -> Iterator[list[int]]:
    """While inside, somebody sends them; yields how many were acknowledged, as the only item of a list."""
    stop, sent = threading.Event(), [0]
    topics, chance = Topics.under(stage.system.settings.namespace), random.Random(seed)

    def run() -> None:
        producer = KafkaProducer(bootstrap_servers=stage.system.settings.kafka)
        while not stop.wait(1 / RATE):
            topic = chance.choice((topics.submit, topics.tasks, topics.ready))
            message = (
                chance.choice(WRONG) if topic == topics.submit else chance.randbytes(chance.choice((1, 20, 9_000)))
            )
            producer.send(topic, message, partition=0).get(timeout=30)
            sent[0] += 1
        producer.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def compared(stage: Stage, found: Evidence) -> dict[str, Any]:
    """Milliseconds from being ready to being dispatched, in both halves; and what was refused."""
    [strike] = stage.strikes
    ready: dict[str, float] = {}
    waits: dict[bool, list[float]] = {True: [], False: []}
    for step in found.history.steps or ():
        if step.state == "waiting":
            ready[step.execution] = step.at
        elif step.what == "assigned" and step.execution in ready:
            waits[step.at < strike.at].append(step.at - ready[step.execution])
    return {
        "waited_ms_before": _ranked(waits[True]),
        "waited_ms_while_poisoned": _ranked(waits[False]),
        "poison": {"sent": stage.extras["poison"][0], "dead_letters": len(found.history.letters or ())},
    }


def _ranked(those: list[float]) -> dict[str, float]:
    ranked = sorted(those)
    return {**spread(those), "p99": ranked[len(ranked) * 99 // 100]} if ranked else {}
