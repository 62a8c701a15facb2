"""What the clients of all peers share: the payloads, and the loop around submitting and waiting.

It runs in an environment of its own, in which Headrace is not.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import redis

URL = os.environ["PEER_REDIS"]
RESULTS = f"{URL.rpartition('/')[0]}/1"
"""A database of its own for results, so that each key in it is one."""

PAYLOAD = 1_000
"""Bytes as JSON, random: as Headrace's own measurement has them."""

DISTINCT = 4_096
"""The same."""

POLL = 0.1
GIVE_UP = 120.0


def payloads(count: int) -> list[str]:
    """The same few payloads in turn."""
    some = [os.urandom((PAYLOAD - 2) // 2).hex() for _ in range(DISTINCT)]
    return [some[number % DISTINCT] for number in range(count)]


def each_key(connection: redis.Redis) -> int:
    """Results where each is a key."""
    return connection.dbsize()


def main(
    submit: Callable[[list[str]], None], results: Callable[[redis.Redis], int] = each_key, where: str = RESULTS
) -> None:
    """Submit as many as the first argument says, wait until Redis holds a result of each, and print what it took."""
    count = int(sys.argv[1])
    connection = redis.Redis.from_url(where)
    before, work = results(connection), payloads(count)
    start, cpu = time.perf_counter(), sum(os.times()[:2])
    submit(work)
    submitted = time.perf_counter() - start
    found, seen_at = 0, time.monotonic()
    while found < count:
        time.sleep(POLL)
        now = results(connection) - before
        if now > found:
            found, seen_at = now, time.monotonic()
        if time.monotonic() - seen_at > GIVE_UP:
            sys.exit(f"{count - found} of {count} results did not come")
    seconds = time.perf_counter() - start
    used = sum(os.times()[:2]) - cpu
    print(json.dumps({"results": found, "seconds": seconds, "submit_seconds": submitted, "cpu": used}))
