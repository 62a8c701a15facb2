"""Tasks that ask a service: http against a server on loopback, sql against the real engine behind one."""

import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import chdb
import msgspec
import pytest

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.kinds.base import Attempt
from streams.worker.kinds.catalogue import close_kinds, make_kinds
from streams.worker.outcomes import KindError, Outcome
from streams.worker.output import Output

LITTLE, MUCH = b'"x"', bytes(200_000_000)
"""What is packed; of zeros a thousandth travels."""

PACKED = {
    ("little", "gzip"): gzip.compress(LITTLE),
    ("little", "deflate"): zlib.compress(LITTLE),
    ("little", "gzip,gzip"): gzip.compress(gzip.compress(LITTLE)),
    ("little", "br"): LITTLE,
    ("much", "gzip"): gzip.compress(MUCH),
    ("much", "deflate"): zlib.compress(MUCH),
}


class Server(BaseHTTPRequestHandler):
    """Answers by path; /v1/sql runs the statement in the engine as the edge does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request of any method."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        name = self.path.strip("/").split("/")[0] or "json"
        status, headers, answer = getattr(self, f"answer_{name}")(body)
        self.send_response(status)
        for key, value in {"content-length": str(len(answer)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815  (the name is the library's)

    def answer_json(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What came, as JSON."""
        seen = {"method": self.command, "host": self.headers["host"], "body": body.decode(), "x": self.headers["x"]}
        return 200, {"content-type": "application/json"}, json.dumps(seen).encode()

    def answer_large(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """More than anybody wants."""
        return 200, {"content-type": "text/plain"}, b'"x' * 1_000_000

    def answer_packed(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """As the rest of the path says: of what, and packed as what."""
        what, encoding = self.path.split("/")[2].split(":")
        return 200, {"content-encoding": encoding, "content-type": "application/json"}, PACKED[what, encoding]

    def answer_missing(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Not there."""
        return 404, {}, b"no such thing"

    def answer_away(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Elsewhere."""
        return 302, {"location": "/json"}, b""

    def answer_cookie(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What came as a cookie; and another one to keep."""
        return 200, {"set-cookie": "session=secret; Path=/"}, (self.headers["cookie"] or "none").encode()

    def answer_loop(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Here again."""
        return 302, {"location": "/loop"}, b""

    def answer_file(self, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Where no request may go."""
        return 302, {"location": "file:///etc/passwd"}, b""

    def answer_v1(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Run a statement."""
        if self.headers["authorization"] != "Bearer token":
            return 401, {}, json.dumps({"title": "Not allowed", "detail": "a token is needed"}).encode()
        asked = json.loads(body)
        try:
            found = json.loads(chdb.query(asked["query"], "JSONCompact", params=asked["parameters"]).bytes())
        except RuntimeError as error:
            return 400, {}, json.dumps({"title": "The statement failed", "detail": str(error)}).encode()
        columns = [column["name"] for column in found["meta"]]
        return 200, {}, json.dumps({"columns": columns, "rows": found["data"], "cut": len(found["data"]) > 5}).encode()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


class Ask:
    """Runs attempts of service kinds."""

    def __init__(self, **settings: Any) -> None:
        self.kinds = make_kinds(Settings(**settings))

    async def __call__(self, kind: str, payload: Any = None, **call: Any) -> Outcome:
        """Run one; an error is an outcome here."""
        fields = (msgspec.json.encode(call), b"" if payload is None else msgspec.json.encode(payload))
        job = Job(bytes(16), 1, 1, "w", "t", "r", kind, 5, 0, 0, *fields)
        try:
            return await self.kinds[kind].run(Attempt(job, Output(None, job, 1000)))
        except KindError as error:
            return Outcome(error.outcome, error=str(error))


@pytest.fixture
async def ask(server: str, tmp_path: Path) -> AsyncIterator[Ask]:
    """Kinds that may reach loopback."""
    (tmp_path / "api-token").write_text("token\n")
    ask = Ask(http_private=True, edge_url=server, home=tmp_path)
    yield ask
    await close_kinds(ask.kinds)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_answer_is_unpacked_no_further_than_its_limit(ask: Ask, server: str, encoding: str) -> None:
    """A little that becomes very much costs no memory."""
    little = await ask("http", method="GET", url=f"{server}/packed/little:{encoding}")
    assert msgspec.json.decode(little.result)["body"] == "x"
    tracemalloc.start()
    much = await ask("http", method="GET", url=f"{server}/packed/much:{encoding}")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (much.outcome, much.cut) == ("succeeded", True)
    assert len(msgspec.json.decode(much.result)["body"]) < 65_536
    assert most < 5_000_000


@pytest.mark.parametrize("encoding", ["gzip,gzip", "br"])
async def test_an_answer_that_is_packed_otherwise_is_refused(ask: Ask, server: str, encoding: str) -> None:
    """Nobody asked for it, and what is packed twice grows by a million."""
    refused = await ask("http", method="GET", url=f"{server}/packed/little:{encoding}")
    assert "only gzip and deflate are unpacked" in refused.error


async def test_a_request_returns_status_headers_and_body(ask: Ask, server: str) -> None:
    """JSON is decoded, the host is the one that was named, headers and bodies arrive."""
    outcome = await ask("http", url=f"{server.replace('127.0.0.1', 'localhost')}/json", headers={"X": "1"})
    result = msgspec.json.decode(outcome.result)
    assert result["status"] == 200
    assert result["headers"]["content-type"] == "application/json"
    host = server.replace("http://127.0.0.1", "localhost")
    assert result["body"] == {"method": "GET", "host": host, "body": "", "x": "1"}
    for body, payload, sent in (("text", None, "text"), ({"a": 1}, None, '{"a":1}'), (None, [1], "[1]")):
        outcome = await ask("http", payload, url=f"{server}/json", method="POST", body=body)
        assert msgspec.json.decode(outcome.result)["body"]["body"] == sent


async def test_an_unexpected_status_fails_and_an_expected_one_does_not(ask: Ask, server: str) -> None:
    """The error says what came, and what was expected."""
    failed = await ask("http", url=f"{server}/missing", method="GET")
    assert failed.outcome == "failed"
    assert "answered 404, not 200-299: no such thing" in failed.error
    fine = await ask("http", url=f"{server}/missing", method="GET", expect=[404])
    assert msgspec.json.decode(fine.result)["body"] == "no such thing"
    nobody = await ask("http", url="http://127.0.0.1:1/", method="GET")
    assert "ConnectError" in nobody.error


async def test_a_large_answer_is_cut_with_a_flag(ask: Ask, server: str) -> None:
    """It fits the limit however its characters are escaped, and the rest is never read."""
    outcome = await ask("http", url=f"{server}/large", method="GET")
    assert outcome.cut
    assert msgspec.json.decode(outcome.result)["cut"]
    assert len(outcome.result) <= 65_536


async def test_one_task_gets_no_cookie_of_another(ask: Ask, server: str) -> None:
    """Servers are told apart by their addresses here, and many names share one."""
    for _ in range(2):
        outcome = await ask("http", method="GET", url=f"{server}/cookie")
        assert json.loads(outcome.result)["body"] == "none"


async def test_redirects_are_followed_and_checked(ask: Ask, server: str) -> None:
    """A few of them, over http and https only."""
    assert b'"method":"GET"' in (await ask("http", url=f"{server}/away", method="POST", body="x")).result
    assert "more than 5 times" in (await ask("http", url=f"{server}/loop", method="GET")).error
    assert "only http" in (await ask("http", url=f"{server}/file", method="GET")).error


async def test_private_addresses_are_refused_unless_they_are_opened(server: str) -> None:
    """By number or by name, in any notation."""
    ask = Ask()
    port = server.rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "[::ffff:127.0.0.1]",
    ):
        outcome = await ask("http", url=f"http://{host}:{port}/json", method="GET")
        assert outcome.outcome == "failed"
        assert "HEADRACE_HTTP_PRIVATE" in outcome.error, outcome
    await close_kinds(ask.kinds)


async def test_statements_return_rows_as_objects(ask: Ask) -> None:
    """With parameters, by name."""
    outcome = await ask(
        "sql", sql="SELECT toUInt8(number) AS n, {w:String} AS w FROM numbers(2)", parameters={"w": "a'b"}
    )
    assert msgspec.json.decode(outcome.result) == [{"n": 0, "w": "a'b"}, {"n": 1, "w": "a'b"}]
    assert (await ask("sql", sql="SELECT 1 WHERE 0")) == Outcome("succeeded")


async def test_a_statement_that_fails_says_why(ask: Ask, tmp_path: Path) -> None:
    """The engine's reason, too many rows, a missing token, an edge that is away."""
    assert "UNKNOWN_TABLE" in (await ask("sql", sql="SELECT * FROM nowhere")).error
    assert "add a LIMIT" in (await ask("sql", sql="SELECT * FROM numbers(9)")).error
    (tmp_path / "api-token").unlink()
    assert (await ask("sql", sql="SELECT 1")).error == "a token is needed"
    away = Ask(edge_url="http://127.0.0.1:1")
    assert "did not answer" in (await away("sql", sql="SELECT 1")).error
    await close_kinds(away.kinds)
