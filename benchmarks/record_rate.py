"""How much CPU it takes to record an execution: `python benchmarks/record_rate.py [executions] [executions a flush]`.

Each execution has three transitions (created, assigned, succeeded) and a payload of 1 KB of which little compresses; it
comes in envelopes as in Kafka and leaves as rows of the embedded ClickHouse. As under load, it is created in one flush
and ends in the next one, so that its row is written twice. Merges are part of it and waited for; Kafka is not.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from sample import messages, success, waiting

from sinks.record.client import Names, open_client
from sinks.record.recorder import settle, write
from sinks.record.tables import Tables
from streams import envelope
from streams.engine.events import Moved
from streams.settings import Settings
from streams.topics import Topics

PAYLOAD = 1000
"""Bytes."""


def steps(number: int, now: int) -> list[Moved]:
    """The recorded life of one short execution."""
    at = now + number // 10
    waits = waiting(f"bench.t{number % 10}", number, at)
    payload = json.dumps({"noise": os.urandom(PAYLOAD // 2).hex()}).encode()
    call = b'{"function":"nothing"}'
    return [Moved("created", at, waits, payload=payload, call=call), *success(waits, at + 3, at + 9, number % 8)]


def cpu() -> float:
    """Seconds of CPU of this process and all its threads, ClickHouse's among them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(executions: int, a_flush: int) -> None:
    """Write them, and print what it took."""
    now = round(time.time() * 1000)
    lives = [[steps(n, now) for n in range(start, start + a_flush)] for start in range(0, executions, a_flush)]
    flushes = [
        list(envelope.pack([life[0] for life in new] + [move for life in old for move in life[1:]]))
        for new, old in zip([*lives, []], [[], *lives], strict=True)
    ]
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        tables, topics = Tables.open(settings), Topics.under(settings.namespace)
        settle()
        offset, cpu_before, begun = 0, cpu(), time.perf_counter()
        for flush in flushes:
            came = messages(topics.events, flush, offset, now)
            offset += len(came)
            write(tables, topics, came)
            tables.reached({(topics.events, 0): offset})
        seconds = time.perf_counter() - begun
        client, names = open_client(settings), Names.under(settings.namespace)
        while int(str(client.command("SELECT count() FROM system.merges"))):
            time.sleep(0.25)
        used = cpu() - cpu_before
        rows = client.command(names.fill("SELECT count() FROM {main}.executions WHERE state = 'succeeded'"))
        size = client.command(
            names.fill("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{raw}'")
        )
        client.close()
        tables.close()
    figures = {
        "executions": len(lives) * a_flush,
        "rows_in_history": int(rows),
        "executions_per_second": round(len(lives) * a_flush / seconds),
        "cpu_us_per_execution": round(used / (len(lives) * a_flush) * 1e6, 1),
        "ms_per_flush": round(seconds / len(flushes) * 1000, 1),
        "bytes_on_disk_per_execution": round(int(size) / (len(lives) * a_flush)),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    main(*given, *(50_000, 2_500)[len(given) :])
