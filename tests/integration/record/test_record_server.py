"""A ClickHouse server that goes away, is slow, is not the one that was meant, and comes back."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipelines.ids import execution_id
from sinks.record import client as opening
from sinks.record.client import ClickHouseAwayError, open_client
from sinks.record.history import History
from sinks.record.recorder import Recorder

pytestmark = pytest.mark.parametrize("house", ["server"], indirect=True)
PATIENCE = 60
KILLS, EACH = 2, 20


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something holds; returns it."""
    end = time.monotonic() + PATIENCE
    while not (answer := await holds()):
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.05)
    return answer


async def recorded(history: History, count: int) -> bool:
    """Whether at least so many executions are there; nobody knows while the server is away."""
    try:
        answer = await history.sql("SELECT count() >= {count:UInt32} FROM executions", {"count": count})
    except ClickHouseAwayError:
        return False
    return answer.rows == ((1,),)


class Unavailable(BaseHTTPRequestHandler):
    """Somebody in between, behind whom nobody is."""

    def do_POST(self) -> None:
        """Say so."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(HTTPStatus.BAD_GATEWAY)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def answering(port: int) -> Iterator[None]:
    """`Unavailable` at a port."""
    with HTTPServer(("127.0.0.1", port), Unavailable) as between:
        threading.Thread(target=between.serve_forever).start()
        yield
        between.shutdown()


@pytest.fixture
async def history(store: Any) -> AsyncIterator[History]:
    """The read side; the tables exist."""
    history = History(store.settings)
    yield history
    await history.close()


@pytest.fixture
def back(server: Any) -> Iterator[None]:
    """The server runs again afterwards, whatever came of the test."""
    yield
    server.kill()
    server.start()


async def test_i7_a_server_that_is_killed_and_comes_back_has_everything_once(
    bus: Any, history: History, server: Any, play: Any
) -> None:
    """What happens meanwhile waits in Kafka; a server that is killed among inserts keeps what it has taken."""
    recorder = Recorder(bus.settings)
    await recorder.start()
    for kill in range(KILLS):
        for n in range(EACH):
            await bus.events(*play.whole(f"p.before{kill}-{n}"))
        await until(lambda kill=kill: recorded(history, 2 * kill * EACH + 1))
        server.kill()
        for n in range(EACH):
            await bus.events(*play.whole(f"p.meanwhile{kill}-{n}"))
        await until(lambda: asyncio.sleep(0, recorder.trouble))
        with pytest.raises(ClickHouseAwayError):
            await history.execution(execution_id("p.before0-0", "r1"))
        server.start()
    whole = 2 * KILLS * EACH
    await until(lambda: recorded(history, whole))
    await until(lambda: asyncio.sleep(0, recorder.trouble is None))
    await recorder.stop()
    assert await once(history, "executions", "execution") == ((whole, whole),)
    assert await once(history, "attempts", "(execution, attempt)") == ((whole, whole),)
    assert await once(history, "events", "(execution, version)") == ((3 * whole, 3 * whole),)


async def once(history: History, view: str, key: str) -> Any:
    """How many rows a view has, and how many different ones."""
    return (await history.sql(f"SELECT count(), uniqExact({key}) FROM {view}")).rows  # noqa: S608  (our own names)


@pytest.mark.usefixtures("back")
async def test_who_asks_while_it_is_away_hears_that_it_is_away(history: History, server: Any) -> None:
    """No connection, or an error of somebody in between, is no fault of the statement: it may be asked again."""
    await history.sql("SELECT 1")
    server.kill()
    with pytest.raises(ClickHouseAwayError, match="does not answer"):
        await history.sql("SELECT 1")
    server.start()
    assert (await history.sql("SELECT 1")).rows == ((1,),)
    server.kill()
    with answering(server.port), pytest.raises(ClickHouseAwayError, match="502"):
        await history.sql("SELECT 1")


async def test_a_server_that_says_nothing_is_away(store: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that hangs takes questions and never answers: they end, and go on when it does."""
    monkeypatch.setattr(opening, "SILENCE", 1)
    history = History(store.settings)
    await history.sql("SELECT 1")
    server.signal(signal.SIGSTOP)
    with pytest.raises(ClickHouseAwayError, match="timed out"):
        await history.sql("SELECT 1")
    server.signal(signal.SIGCONT)
    assert (await history.sql("SELECT 1")).rows == ((1,),)
    await history.close()


async def test_the_wrong_password_is_said_and_not_shown(bus: Any) -> None:
    """The trouble is ClickHouse's own words, without the password that was tried."""
    wrong = bus.settings.clickhouse.replace("a%20secret", "guessed")
    recorder = Recorder(bus.settings.model_copy(update={"clickhouse": wrong}))
    await recorder.start()
    trouble = await until(lambda: asyncio.sleep(0, recorder.trouble))
    await recorder.stop()
    assert "Authentication failed" in trouble
    assert "guessed" not in trouble


def test_https_is_never_spoken_in_the_clear(settings: Any) -> None:
    """Who writes https in the address sends no password before there is TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = urlsplit(settings.clickhouse)
        address = f"https://{where.username}:{where.password}@127.0.0.1:{listener.getsockname()[1]}"
        heard: list[bytes] = []
        thread = threading.Thread(target=hear, args=(listener, heard))
        thread.start()
        with pytest.raises(ClickHouseAwayError):
            open_client(settings.model_copy(update={"clickhouse": address}))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert heard
    assert all(first.startswith(b"\x16\x03") for first in heard), "a TLS handshake"


def hear(listener: socket.socket, heard: list[bytes]) -> None:
    """Keep what each connection says first, and hang up, until the listener is shut down."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(4096))
