"""What history costs on disk, and what a question costs: `python benchmarks/history_cost.py [executions] [runs]`.

Each execution is created with a payload of 1 KB and ends a flush later, as under load. Two kinds of payload:
`json`, events as programs write them (names and structure repeat, values differ), and `random`, random bytes in base64,
the worst case. Merges are let end before anything is counted. Kafka is not part of it.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from sample import messages, success, waiting

from sinks.record.client import Names, open_client
from sinks.record.recorder import write
from sinks.record.tables import Tables
from streams import envelope
from streams.engine.events import Moved
from streams.settings import Settings
from streams.topics import Topics

FLUSH = 5_000
"""Executions."""

PAYLOAD = 1_000
"""Bytes."""

A_DAY = 10_000 * 86_400
"""Executions of a day at 10,000 a second: 864 GB of payload."""

DAYS = 730

QUIET = 8
"""Looks a quarter of a second apart that find no merge, after which none comes."""

QUESTIONS = {
    "count by state": "SELECT state, count() FROM {main}.executions GROUP BY state",
    "p99 wait by minute": "SELECT toStartOfMinute(created_at) AS m, quantile(0.99)(waited_ms) FROM {main}.executions "
    "GROUP BY m",
    "slowest 10 of a task": "SELECT execution, ran_ms FROM {main}.executions WHERE task = '{task}' "
    "ORDER BY ran_ms DESC LIMIT 10",
    "one by its id": "SELECT * FROM {main}.executions WHERE execution = '{id}'",
    "its payload": "SELECT payload FROM {main}.events WHERE execution = '{id}' AND what = 'created'",
}


def event(chance: random.Random) -> bytes:
    """A payload as programs write it: an order with its lines, a customer and where it came from."""
    text: dict[str, Any] = {
        "event": "order.placed",
        "order": f"{chance.getrandbits(64):016x}",
        "placed_at": f"2026-11-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:00Z",
        "customer": {"id": chance.randint(1, 10**7), "country": chance.choice(["DE", "FR", "US", "IN"]), "vip": False},
        "source": {"app": "shop-web", "version": f"4.{chance.randint(0, 9)}.1", "host": f"web-{chance.randint(1, 40)}"},
        "lines": [],
    }
    while len(json.dumps(text)) < PAYLOAD - 80:
        price = round(chance.uniform(1, 400), 2)
        line = {"sku": f"SKU-{chance.randint(1, 50_000):06}", "quantity": chance.randint(1, 9), "price": price}
        text["lines"].append({**line, "currency": "EUR", "tax": 0.19})
    return json.dumps(text).encode()


def noise(chance: random.Random) -> bytes:
    """A payload of random bytes, as JSON can hold them."""
    return b'"' + b64encode(chance.randbytes((PAYLOAD - 2) // 4 * 3)) + b'"'


def begins(number: int, at: int, payload: bytes) -> Moved:
    """An execution is created."""
    task = f"shop.order-{number % 1000}"
    waits = waiting(task, number, at, "shop")
    return Moved("created", at, waits, payload=payload, call=b'{"function":"shop.take"}')


def ends(begun: Moved, chance: random.Random) -> list[Moved]:
    """It is given to a worker, and succeeds."""
    at = begun.at + chance.randint(2, 400)
    return success(begun.execution, at, at + chance.randint(2, 90), at % 8)


def flushes(executions: int, payload: Callable[[random.Random], bytes]) -> Iterator[list[Moved]]:
    """What comes together: the beginnings of some, and the ends of those before."""
    chance, now = random.Random(7), round(time.time() * 1000)  # noqa: S311  (the same sample each time)
    before: list[Moved] = []
    for start in range(0, executions + FLUSH, FLUSH):
        numbers = range(start, min(start + FLUSH, executions))
        begun = [begins(n, now + n // 5, payload(chance)) for n in numbers]
        yield [*begun, *(move for one in before for move in ends(one, chance))]
        before = begun


def settled(client: Client) -> None:
    """Return when no merge is under way and none begins."""
    quiet = 0
    while quiet < QUIET:
        quiet = 0 if int(str(client.command("SELECT count() FROM system.merges"))) else quiet + 1
        time.sleep(0.25)


def measured(executions: int, payload: Callable[[random.Random], bytes]) -> dict[str, Any]:
    """One run: bytes per execution by table, milliseconds a question."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        topics, names = Topics.under(settings.namespace), Names.under(settings.namespace)
        tables, client = Tables.open(settings), open_client(settings)
        offset = raw = 0
        for moves in flushes(executions, payload):
            raw += sum(len(move.payload) for move in moves)
            came = messages(topics.events, envelope.pack(moves), offset, moves[-1].at)
            offset += len(came)
            write(tables, topics, came)
        settled(client)
        sizes = client.query(
            "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = {raw:String} "
            "AND table IN ('events', 'executions', 'attempts') GROUP BY table ORDER BY table",
            parameters={"raw": names.raw},
        ).result_rows
        example = client.query(names.fill("SELECT task, toString(execution) FROM {main}.executions LIMIT 1"))
        task, one = example.result_rows[0]
        times = {}
        for name, question in QUESTIONS.items():
            sql = names.fill(question).replace("{task}", task).replace("{id}", one)
            took = []
            for _ in range(5):
                begun = time.perf_counter()
                client.query(sql)
                took.append((time.perf_counter() - begun) * 1000)
            times[name] = round(statistics.median(took), 1)
        client.close()
        tables.close()
    by_table = {table: round(size / executions, 1) for table, size in sizes}
    all_bytes = sum(by_table.values())
    return {
        "payload_bytes": round(raw / executions),
        "bytes_per_execution": by_table | {"all": round(all_bytes, 1)},
        "terabytes_of_two_years": round(all_bytes * A_DAY * DAYS / 1e12, 1),
        "milliseconds_a_question": times,
    }


def main(executions: int, runs: int) -> None:
    """Measure each kind of payload some times and print all figures."""
    for name, payload in (("json", event), ("random", noise)):
        for _ in range(runs):
            print(json.dumps({"payload": name, "executions": executions, **measured(executions, payload)}), flush=True)
    print(json.dumps({"cores": os.cpu_count(), "at": datetime.now(UTC).isoformat(timespec="seconds")}))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    main(*given, *(100_000, 3)[len(given) :])
