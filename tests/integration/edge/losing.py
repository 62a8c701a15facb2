"""Executions that are lost with a worker which is not there."""

import time
from typing import Any

import msgspec
from kafka import KafkaProducer

from pipelines.ids import from_text, home_of
from pipelines.model import Delivery, ShellTask
from pipelines.requests import ExecutionFilter
from streams.engine import commands as c
from tests.integration.edge.listing import until
from ui.client import Client


def lose(system: Any, client: Client, name: str, count: int, run: str = "") -> list[str]:
    """So many at-most-once executions that went with a worker; their ids, once history has them."""
    tasks = [ShellTask(id=f"{name}.{n}", command="true", delivery=Delivery.AT_MOST_ONCE) for n in range(count)]
    made = [from_text(client.submit(task, run=run).execution or "") for task in tasks]
    worker = f"{name}-00000000"
    played = [c.Assign(which, 1, worker, 0, 1) for which in made]
    played.append(c.WorkerLost(worker, round(time.time() * 1000)))
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)
    home = home_of(made[0], system.settings.task_partitions)
    producer.send(system.topics.tasks, msgspec.msgpack.encode(played), partition=home)
    producer.close()
    return until(client, ExecutionFilter(pipeline=name, state=("lost",)), count)
