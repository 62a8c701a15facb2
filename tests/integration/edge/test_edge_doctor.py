"""What doctor says of a system that runs: which executions a person has to look after."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from kafka import KafkaProducer

from pipelines.ids import from_text, home_of
from pipelines.model import Delivery, ShellTask
from pipelines.requests import BulkRequest, ExecutionFilter
from streams.engine import commands as c
from streams.local.checks.system import NAMED, _lost
from tests.integration.edge.listing import until
from ui.client import Client


def lose(system: Any, client: Client, name: str, count: int) -> list[str]:
    """So many at-most-once executions that went with a worker; their ids, once history has them."""
    tasks = [ShellTask(id=f"{name}.{n}", command="true", delivery=Delivery.AT_MOST_ONCE) for n in range(count)]
    made = [from_text(client.submit(task, run="monday").execution or "") for task in tasks]
    worker = f"{name}-00000000"
    played = [c.Assign(which, 1, worker, 0, 1) for which in made]
    played.append(c.WorkerLost(worker, round(time.time() * 1000)))
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)
    home = home_of(made[0], system.settings.task_partitions)
    producer.send(system.topics.tasks, msgspec.msgpack.encode(played), partition=home)
    producer.close()
    return until(client, ExecutionFilter(pipeline=name, state=("lost",)), count)


def test_what_was_lost_and_may_not_run_twice_waits_for_a_person(system: Any, client: Client, name: str) -> None:
    """Doctor names the newest, and how to run again what did not do its work; what was retried is not named."""
    begun = datetime.now(UTC) - timedelta(seconds=1)
    assert [*_lost(client, begun)] == []
    ids = lose(system, client, name, NAMED + 1)
    [check] = _lost(client, begun)
    assert check.status == "warn"
    assert check.detail.startswith(f"{NAMED + 1} at-most-once executions lost in the last hour, and may have run; ")
    assert check.detail.count(f"{name}.") == check.detail.count(" in run monday (ID ") == NAMED
    assert "`headrace retry ID`" in check.mend
    assert "`headrace list --state lost --since 1h` has all" in check.mend
    for row in client.executions(ExecutionFilter(pipeline=name, state=("lost",))).items[1:]:
        client.retry(row.execution)
    again = ExecutionFilter(pipeline=name, state=("waiting",))
    until(client, again, NAMED)
    [check] = _lost(client, begun)
    assert "1 at-most-once execution lost" in check.detail
    client.retry_many(BulkRequest(ids=[one for one in ids if one[-12:] in check.detail]))
    until(client, again, NAMED + 1)
    assert [*_lost(client, begun)] == []
