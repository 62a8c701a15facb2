"""The role `edge`: one process that serves the API, records to ClickHouse and notifies."""

import asyncio
import signal
import socket
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import uvicorn
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.types import ASGIApp

from sinks.notify.notifier import Notifier
from sinks.record.client import ClickHouseAwayError
from sinks.record.errors import QueryFailedError
from sinks.record.history import History
from sinks.record.recorder import Recorder
from streams.client import KafkaClient
from streams.edge.app import make_app
from streams.edge.context import Context
from streams.edge.live import Live
from streams.edge.orders import Orders
from streams.edge.reads import Reads
from streams.pulse import leave, pulse, say_ready
from streams.settings import Settings
from streams.token import ensure_token

GOODBYE = 3
"""Seconds that open requests (log tails) get when the edge stops."""

LAST_DECISIONS = 2.5
"""Seconds of these for which orders wait for their decision. Then their senders hear that they are durable."""

FIRST_WORD = 15
"""Seconds that ClickHouse gets to answer before the edge says that it is ready all the same."""

ACKNOWLEDGED_WITHIN = 15
"""Seconds that an order is tried. Its sender hears after CONFIRMED_WITHIN (see orders) that Kafka does not answer."""


class Server(uvicorn.Server):
    """uvicorn in a loop with other work: signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def run_edge(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Creates the file that HEADRACE_READY_FILE names once it serves.

    Raises aiokafka's KafkaError when no broker answers at the start, OSError when the port is taken (by one that starts
    as well: once that serves), RuntimeError where a part of it ends by itself.
    """
    # FastAPI silences it where it makes a route, which is not safe beside threads: some slipped through
    warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(settings) as work:
        say_ready()
        asked = asyncio.create_task(stopping.wait(), name="the wait for a signal")
        done, _ = await asyncio.wait([asked, *work], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for task in done - {asked}:
            raise RuntimeError(f"{task.get_name()} ended by itself") from task.exception()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """While inside, everything runs; yields the parts that must not end."""
    async with AsyncExitStack() as stack:
        door = stack.enter_context(socket.socket())
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the edge before may linger
        door.bind((settings.edge_host, settings.edge_port))  # refused until it listens: others may serve them
        token = ensure_token(settings)
        recorder, live = Recorder(settings), Live(settings)
        history = History(settings, recorder.fresh)
        await recorder.start()
        stack.push_async_callback(recorder.stop)
        stack.push_async_callback(history.close)
        await _until_readable(history)
        await live.start()
        stack.push_async_callback(live.stop)
        client = await stack.enter_async_context(KafkaClient(settings, within=ACKNOWLEDGED_WITHIN))
        reads = Reads(history, live)
        context = Context(settings, live, reads, Orders(settings, client, live, reads), lambda: recorder.trouble)
        work = [
            asyncio.create_task(recorder.failed(), name="the recorder"),
            await stack.enter_async_context(_notifying(settings)),
            await stack.enter_async_context(_telling(client)),
            await stack.enter_async_context(_answering(make_app(context, token), door)),
        ]
        stack.callback(work[0].cancel)
        stack.callback(asyncio.get_running_loop().call_later, LAST_DECISIONS, live.waiters.let_go)
        yield work


async def _until_readable(history: History) -> None:
    """Give ClickHouse a moment to have its tables; where it is away, the edge serves what it can without."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_WORD):
            while True:
                try:
                    await history.rows([])
                except (ClickHouseAwayError, QueryFailedError):
                    await asyncio.sleep(0.1)
                else:
                    return


@asynccontextmanager
async def _answering(app: ASGIApp, door: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE,
    )
    server = Server(config)
    door.listen()
    task = asyncio.create_task(server.serve([door]), name="the HTTP server")
    try:
        yield task
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _notifying(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    notifier = Notifier(settings)
    task = asyncio.create_task(notifier.run(), name="the notifier")
    try:
        yield task
    finally:
        await notifier.stop()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _telling(client: KafkaClient) -> AsyncIterator[asyncio.Task[None]]:
    async with _ending(pulse("edge", client.say, dict), "the pulse") as task:
        yield task
    await leave("edge", client.say)


@asynccontextmanager
async def _ending(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
