"""How long the client waits for an API that takes its time."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.model import ExternalTask
from pipelines.requests import BulkRequest
from ui.client import ApiError, ApiUnavailableError, Client

HASTY = 0.2


class Slow(BaseHTTPRequestHandler):
    """Refuses whatever it is asked, after several times as long as a hasty client waits."""

    def do_GET(self) -> None:
        """Refuse."""
        time.sleep(5 * HASTY)
        self.send_error(409)

    def do_POST(self) -> None:
        """Read, and refuse."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[Client]:
    """A hasty client of a slow API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}", "t", timeout=HASTY) as hasty:
            yield hasty
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.sql("SELECT sleep(3)"),
        lambda client: client.submit(ExternalTask(id="t"), wait=2 * HASTY),
        lambda client: client.retry("x", wait=0),
        lambda client: client.cancel_many(BulkRequest(ids=("x",))),
    ],
)
def test_what_may_take_long_is_waited_for(client: Client, ask: Callable[[Client], object]) -> None:
    """What the API has to say comes through: of a statement its limit, of an order that nothing is decided yet."""
    with pytest.raises(ApiError) as refused:
        ask(client)
    assert refused.value.status == 409


def test_an_api_that_takes_too_long_is_not_said_to_be_away(client: Client) -> None:
    """It runs: to start it is no advice."""
    with pytest.raises(ApiUnavailableError, match="takes too long to answer") as late:
        client.pools()
    assert "doctor" in str(late.value)
    assert "start Headrace" not in str(late.value)
