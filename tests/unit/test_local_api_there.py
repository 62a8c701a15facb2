import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer

import pytest

from pipelines.views import HealthView
from streams.local.api_there import api_there
from streams.settings import settings
from streams.token import ensure_token
from ui.client import ApiUnavailableError


class Health(BaseHTTPRequestHandler):
    """Answers as an edge does that is well."""

    def do_GET(self) -> None:
        """Only its health is asked for."""
        body = HealthView(status="ok", version="1", at=datetime.now(UTC)).model_dump_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TCPServer]:
    """An edge that our settings name; it has a port and does not listen, and there is no token."""
    with TCPServer(("127.0.0.1", 0), Health, bind_and_activate=False) as server:
        server.server_bind()
        monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
        monkeypatch.setenv("HEADRACE_EDGE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        settings.cache_clear()
        yield server
    settings.cache_clear()


def test_an_edge_that_is_still_starting_is_waited_for(edge: TCPServer) -> None:
    """First there is no token, then nobody listens, then it answers; the wait is said once."""
    said: list[str] = []
    serving = threading.Thread(target=edge.serve_forever, args=(0.01,))

    def start(line: str) -> None:
        said.append(line)
        ensure_token(settings())
        edge.server_activate()
        serving.start()

    with api_there(start) as client:
        assert client.health().status == "ok"
    edge.shutdown()
    serving.join()
    assert len(said) == 1
    assert "no token in" in said[0]


@pytest.mark.usefixtures("edge")
def test_an_edge_that_never_comes_is_given_up() -> None:
    """The error says how long it was waited for, and what was missing."""
    ensure_token(settings())
    with pytest.raises(ApiUnavailableError, match="after 0 s of waiting: no answer from the API at http"):
        api_there(lambda _: None, within=0)
