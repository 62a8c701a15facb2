"""The load: no-op executions with 1 KB payloads, acknowledged by the broker, and the ways to submit them.

All are of the owner `bench`, so that they can be told from others where they share a history, and of a pipeline each
(a chain of one), so that they spread over the partitions.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaProducer

from pipelines.ids import execution_id, home_of, home_of_task
from streams.client import CHUNK, UNREAD, KafkaClient, Placed
from streams.engine.commands import CreateTask, DeleteTask, Execute
from streams.engine.records import TaskDef
from streams.settings import Settings
from streams.topics import Topics

PAYLOAD = 1_000
"""Bytes of each payload as JSON: random, so that nothing compresses them away."""

TASK = "a no-op function with a payload of 1 KB"
"""What each of them is, in words."""

OWNER = "bench"
"""Whose the tasks are, and how their names begin."""

DISTINCT = 4_096
"""Payloads that are made: more than stand together in a block that is compressed as one."""

CALL = b'{"function":"headrace.noop"}'

TICK = 0.01
"""Seconds whose submissions go out together, at rates at which one by one would measure the client."""


T = TypeVar("T")

Sent = Callable[[int], None]
"""Hears how many are on their way by now."""


async def nothing(_settings: Settings, _work: list[Any]) -> None:
    """Nothing is left to be tidied up."""


class Load(NamedTuple):
    """`make` prepares what `submit` sends, in a run or several; `executions`: how many that are.

    `tidy` takes back what was created besides executions, once all of them have ended.
    """

    executions: int
    make: Callable[[str], list[Any]]
    submit: Callable[[Settings, list[Any], str, Sent], Coroutine[Any, Any, None]]
    runs: Callable[[str], list[str]] = lambda run: [run]
    tidy: Callable[[Settings, list[Any]], Coroutine[Any, Any, None]] = nothing


def throughput(executions: int, *, flood: bool = False) -> Load:
    """Independent tasks, as fast as the scheduler reads them; a flood: as fast as the client can."""
    return Load(executions, lambda _: list(tasks(executions)), at_once if flood else in_bulk)


def by_events(executions: int) -> Load:
    """The same as JSON events, one a message, on the public topic."""
    return Load(executions, lambda run: list(events(run, executions)), send_events)


def chain(executions: int, length: int) -> Load:
    """Chains in which each task waits for the one before it."""
    return Load(executions, lambda _: list(chains(executions, length)), in_bulk)


def repeated(executions: int, per_task: int) -> Load:
    """Tasks that are created once and executed `per_task` times, each time in another run."""
    count = executions // per_task

    def runs(run: str) -> list[str]:
        return [f"{run}-{number}" for number in range(per_task)]

    def make(_run: str) -> list[list[TaskDef]]:
        work = list(tasks(count))
        return [work] * per_task

    return Load(count * per_task, make, create_and_execute, runs, delete)


def paced(executions: int, rate: float, together: float = 0.0) -> Load:
    """Independent tasks at a rate: one by one, or all of `together` seconds at once."""

    async def submit(settings: Settings, work: list[TaskDef], run: str, sent: Sent) -> None:
        await at_rate(settings, work, run, sent, rate=rate, together=max(round(rate * together), 1))

    return Load(executions, lambda _: list(tasks(executions)), submit)


def tasks(count: int) -> Iterator[TaskDef]:
    """Independent tasks, all priorities in turn."""
    payloads = noise()
    for number in range(count):
        yield one(number, payloads[number % DISTINCT], priority=number % 10)


def one(number: int, payload: bytes, call: bytes = CALL, **fields: Any) -> TaskDef:
    """One of our tasks."""
    return TaskDef(f"{OWNER}-{number}", "function", call, payload, owner=OWNER, **fields)


def chains(count: int, length: int) -> Iterator[TaskDef]:
    """`count` tasks in chains of `length`; each one but the first of a chain waits for the one before it."""
    payloads = noise()
    for number in range(count):
        chain, place = divmod(number, length)
        name = f"{OWNER}-{chain}"
        upstream = ((f"{name}.{place - 1}", ""),) if place else ()
        yield TaskDef(f"{name}.{place}", "function", CALL, payloads[number % DISTINCT], upstream=upstream, owner=OWNER)


def events(run: str, count: int) -> Iterator[bytes]:
    """What anyone may send: each event is the JSON of one of `tasks`."""
    for task in tasks(count):
        fields = {"id": task.id, "kind": task.kind, "priority": task.priority, "owner": task.owner}
        function = {"function": "headrace.noop", "payload": msgspec.Raw(task.payload)}
        yield msgspec.json.encode({"type": "submit", "run": run, "task": fields | function})


async def in_bulk(
    settings: Settings, work: Iterable[TaskDef], run: str, sent: Sent, unread: int | None = UNREAD
) -> None:
    """Submit as the client does unasked; returns when all are acknowledged."""
    async with KafkaClient(settings) as client:
        await client.submit_many(counted(work, sent), run, unread=unread)


at_once = partial(in_bulk, unread=None)
"""Submit as fast as the client can, read or not."""


async def send(settings: Settings, commands: Iterable[Placed]) -> None:
    """Send commands that are made meanwhile, some at a time; returns when all are acknowledged."""
    async with KafkaClient(settings) as client:
        for chunk in _chunks(commands, CHUNK):
            await client.send(chunk)


async def send_events(settings: Settings, work: list[bytes], _run: str, sent: Sent) -> None:
    """Send plain messages by a stock Kafka client with `acks=all`; returns when all are acknowledged."""
    topic = Topics.under(settings.namespace).submit
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", linger_ms=5, max_batch_size=250_000
    ) as producer:
        acknowledged = [await producer.send(topic, event) for event in counted(work, sent)]
        await asyncio.gather(*acknowledged)


async def create_and_execute(settings: Settings, work: list[list[TaskDef]], run: str, sent: Sent) -> None:
    """Create the tasks, then execute each of them once a round; returns when all is acknowledged."""
    partitions = settings.task_partitions
    async with KafkaClient(settings) as client:
        await client.send((home_of_task(task.id, partitions), CreateTask(task, now_ms())) for task in work[0])
        for number, round_of_it in enumerate(work):
            name = f"{run}-{number}"
            await client.send(_execution(task, name, partitions) for task in round_of_it)
            sent((number + 1) * len(round_of_it))


async def delete(settings: Settings, work: list[list[TaskDef]]) -> None:
    """Delete the tasks that were created."""
    partitions = settings.task_partitions
    async with KafkaClient(settings) as client:
        await client.send((home_of_task(task.id, partitions), DeleteTask(task.id, now_ms())) for task in work[0])


async def at_rate(settings: Settings, work: list[TaskDef], run: str, sent: Sent, *, rate: float, together: int) -> None:
    """Submit `rate` a second, `together` at a time, each such group on its own; returns when all are acknowledged."""
    async with KafkaClient(settings) as client:
        start = time.perf_counter()
        acknowledged = []
        for number in range(0, len(work), together):
            pause = start + number / rate - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            group = work[number : number + together]
            acknowledged.append(asyncio.create_task(client.submit_many(group, run, unread=None)))
            sent(number + len(group))
        await asyncio.gather(*acknowledged)


def noise(size: int = PAYLOAD) -> list[bytes]:
    """Payloads of `size` bytes as JSON."""
    return [b'"' + os.urandom((size - 2) // 2).hex().encode() + b'"' for _ in range(DISTINCT)]


def now_ms() -> int:
    """Epoch milliseconds."""
    return round(time.time() * 1000)


def counted(items: Iterable[T], sent: Sent) -> Iterator[T]:
    """The items; `sent` hears at every `CHUNK` of them how many were taken."""
    taken = 0
    for chunk in _chunks(items, CHUNK):
        yield from chunk
        sent(taken := taken + len(chunk))


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _execution(task: TaskDef, run: str, partitions: int) -> Placed:
    which = execution_id(task.id, run)
    return home_of(which, partitions), Execute(which, task.id, run, now_ms(), payload=task.payload)
