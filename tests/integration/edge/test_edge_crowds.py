"""Crowds that ask for the same thing at once, and giants that ask for too much."""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipelines.events import SubmitEvent
from pipelines.ids import execution_id, to_text
from pipelines.model import PAYLOAD_LIMIT, SleepTask
from streams import backpressure
from streams import client as sender
from streams.client import KafkaClient
from streams.local.supervisor import environment
from tests.integration.edge.conftest import System
from ui.client import ApiError, Client

PAGE = Path(__file__).parents[3] / "docs" / "pipelines.md"
KEYS, AT_ONCE = 1_000, 50
STATES = """
SELECT count(), uniqExact(execution), countIf(state = 'succeeded') FROM executions WHERE run = {run:String}
"""
CREATED = """
SELECT count() FROM events
WHERE what = 'created' AND execution IN (SELECT execution FROM executions WHERE run = {run:String})
"""


def test_the_same_thousand_keys_by_fifty_clients_are_a_thousand_executions(
    system: System, client: Client, name: str
) -> None:
    """Fifty clients submit all keys at the same time, each in an order of its own, some by HTTP: each runs once."""
    events = [SubmitEvent(task=SleepTask(id=f"{name}.{n}", seconds=0), run=name) for n in range(KEYS)]

    async def one(number: int, kafka: KafkaClient) -> None:
        mine = random.Random(number).sample(events, KEYS)
        if number % 10:
            await kafka.submit_many(mine)
        else:
            await asyncio.to_thread(client.send, mine)

    async def crowd() -> None:
        async with KafkaClient(system.settings) as kafka:
            await asyncio.gather(*(one(number, kafka) for number in range(AT_ONCE)))

    asyncio.run(crowd())
    assert _until(client, STATES, name, [KEYS, KEYS, KEYS])
    assert _until(client, CREATED, name, [KEYS])


def test_bulk_goes_on_as_the_scheduler_reads(system: System, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own word, and not because somebody lost patience."""
    monkeypatch.setattr(backpressure, "PATIENCE", 600.0)
    monkeypatch.setattr(sender, "CHUNK", 50)
    events = [SubmitEvent(task=SleepTask(id=f"{name}.{n}", seconds=0), run=name) for n in range(500)]

    async def submit() -> int:
        async with KafkaClient(system.settings) as kafka, asyncio.timeout(60):
            return len(await kafka.submit_many(events, unread=50))

    assert asyncio.run(submit()) == 500


def test_the_page_s_program_submits_many(system: System, client: Client, name: str) -> None:
    """What docs/pipelines.md shows, with a hundredth of its tasks, in a run that no other test has."""
    source = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[-1]
    env = os.environ | environment(system.settings)
    program = [sys.executable, "-c", source.replace("100_000", "1_000").replace("monday", name)]
    said = subprocess.run(program, env=env, capture_output=True, check=True, text=True).stdout
    assert said == f"1,000 are durable; the first: headrace show {to_text(execution_id('n0', name))}\n"
    assert _until(client, STATES, name, [1_000, 1_000, 1_000])


def test_events_without_a_key_are_carried_out_in_their_order(system: System, client: Client, name: str) -> None:
    """What one event creates the next one executes; the client has a partition of its choice for each."""
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)
    for n in range(50):
        task = {"id": f"{name}{n}", "kind": "sleep", "seconds": 0}
        for event in ({"type": "create", "task": task}, {"type": "execute", "task": task["id"], "run": name}):
            producer.send(system.topics.submit, json.dumps(event).encode())
    producer.close()
    assert _until(client, STATES, name, [50, 50, 50])


def test_i11_ten_megabytes_are_refused_with_both_figures_and_stop_nothing(
    system: System, client: Client, name: str
) -> None:
    """An event as large as the topic lets in becomes a dead letter that names its size; the one behind it runs."""
    giant = {"type": "submit", "task": {"id": f"{name}.giant", "kind": "sleep", "seconds": 0, "payload": "x" * 10**7}}
    small = {"type": "submit", "task": {"id": f"{name}.small", "kind": "sleep", "seconds": 0}}
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka, max_request_size=2 * 10**7)
    for event in (giant, small):
        producer.send(system.topics.submit, json.dumps(event).encode(), partition=0).get(timeout=30)
    producer.close()
    assert _until(client, STATES, "", [1, 1, 1], f" AND task = '{name}.small'")
    until = time.monotonic() + 30
    said = f"{10**7 + 2} bytes as JSON; at most {PAYLOAD_LIMIT}"
    while not any(said in letter.reason for letter in client.dead_letters()) and time.monotonic() < until:
        time.sleep(0.1)
    assert any(said in letter.reason for letter in client.dead_letters())
    with pytest.raises(ApiError):
        client.execution(to_text(execution_id(f"{name}.giant", "")))


def _until(client: Client, question: str, run: str, wanted: list[int], also: str = "") -> bool:
    """Whether the answer comes to be so; history may be a second behind."""
    until = time.monotonic() + 60
    while (found := list(client.sql(question + also, {"run": run}).rows[0])) != wanted:
        assert time.monotonic() < until, f"{found}, not {wanted}"
        time.sleep(0.2)
    return True
