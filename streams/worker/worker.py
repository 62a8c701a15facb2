"""The role `worker`: from its start to its end, over as many incarnations as it takes."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaProducer

from streams.collector import settle
from streams.pulse import Teller, leave, pulse
from streams.settings import Settings
from streams.topics import ENVELOPE_BYTES, MESSAGE_LIMIT, Topics
from streams.worker.incarnation import DismissedError, Incarnation
from streams.worker.kinds.catalogue import close_kinds, make_kinds
from streams.worker.output import LogSender, cancelled
from streams.worker.pace import Pace
from streams.worker.processes import Processes
from streams.worker.tools import Tools

_log = structlog.get_logger(__name__)

AGAIN = 1.0
"""Seconds between a dismissal and the next request for a lane."""


async def run_worker(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT, then drain; a second signal hurries.

    Creates the file that HEADRACE_READY_FILE names as soon as a lane is granted.
    Raises aiokafka's KafkaConnectionError when no broker answers at the start.
    """
    settle()
    stopping, hurry = asyncio.Event(), asyncio.Event()
    with _signals(stopping, hurry):
        async with _tools(settings) as tools:
            while not stopping.is_set():
                await _live(Incarnation(tools, stopping, hurry), stopping)


async def _live(incarnation: Incarnation, stopping: asyncio.Event) -> None:
    try:
        await incarnation.live()
    except DismissedError as dismissed:
        _log.warning(
            "dismissed: all it had was stopped, and it starts over", worker=incarnation.name, reason=str(dismissed)
        )
        try:
            await asyncio.wait_for(stopping.wait(), AGAIN)
        except TimeoutError:
            return


class _signals:  # noqa: N801  (reads as a statement)
    """While inside, a first signal begins the drain and a second one hurries it."""

    def __init__(self, stopping: asyncio.Event, hurry: asyncio.Event) -> None:
        self._stopping, self._hurry = stopping, hurry

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _signalled(self) -> None:
        (self._hurry if self._stopping.is_set() else self._stopping).set()


@asynccontextmanager
async def _tools(settings: Settings) -> AsyncIterator[Tools]:
    async with _producer(settings) as producer:
        lines = LogSender(producer, settings)
        tools = Tools(
            settings=settings,
            producer=producer,
            lines=lines,
            processes=Processes(settings, lines),
            kinds=make_kinds(settings),
            pace=Pace(settings.slots, settings.lookahead),
        )
        sending = asyncio.create_task(lines.run())
        tell = _teller(producer, settings)
        telling = asyncio.create_task(pulse("worker", tell, lambda: {"pool": settings.pool}))
        try:
            yield tools
            telling.cancel()
            await leave("worker", tell)
        finally:
            await cancelled(telling)
            await tools.processes.close()
            await close_kinds(tools.kinds)
            await cancelled(sending)


def _teller(producer: AIOKafkaProducer, settings: Settings) -> Teller:
    status = Topics.under(settings.namespace).status
    return lambda key, value: producer.send_and_wait(status, value, key=key)


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        linger_ms=0,
        max_batch_size=2 * ENVELOPE_BYTES,
        max_request_size=MESSAGE_LIMIT,
        request_timeout_ms=10_000,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
