"""The load: no-op executions with 1 KB payloads, submitted by the Python client and acknowledged by the broker."""

import asyncio
import os
import time
from collections.abc import Iterator

from streams.client import KafkaClient
from streams.engine.records import TaskDef
from streams.settings import Settings

PAYLOAD = 1_000
"""Bytes of each payload as JSON: random, so that nothing compresses them away."""

DISTINCT = 256
CALL = b'{"function":"headrace.noop"}'


def tasks(run: str, count: int) -> Iterator[TaskDef]:
    """Independent tasks, all priorities in turn."""
    payloads = _payloads()
    for number in range(count):
        yield TaskDef(
            f"bench-{run}-{number}", "function", CALL, payloads[number % DISTINCT], priority=number % 10, owner="bench"
        )


def chains(run: str, count: int, length: int) -> Iterator[TaskDef]:
    """`count` tasks in chains of `length`; each one but the first of a chain waits for the one before it."""
    payloads = _payloads()
    for number in range(count):
        chain, place = divmod(number, length)
        name = f"bench-{run}-{chain}"
        upstream = ((f"{name}.{place - 1}", ""),) if place else ()
        yield TaskDef(
            f"{name}.{place}", "function", CALL, payloads[number % DISTINCT], upstream=upstream, owner="bench"
        )


async def at_once(settings: Settings, work: list[TaskDef], run: str) -> None:
    """Submit as fast as the client can; returns when all are acknowledged."""
    async with KafkaClient(settings) as client:
        await client.submit_many(work, run)


async def at_rate(settings: Settings, work: list[TaskDef], run: str, rate: float) -> None:
    """Submit one by one, `rate` a second, each on its own; returns when all are acknowledged."""
    async with KafkaClient(settings) as client:
        start = time.perf_counter()
        sent = []
        for number, task in enumerate(work):
            pause = start + number / rate - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            sent.append(asyncio.create_task(client.submit_many([task], run)))
        await asyncio.gather(*sent)


def _payloads() -> list[bytes]:
    return [b'"' + os.urandom((PAYLOAD - 2) // 2).hex().encode() + b'"' for _ in range(DISTINCT)]
