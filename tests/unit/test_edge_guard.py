import itertools
from urllib.parse import unquote_to_bytes

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.edge.app import make_app
from streams.edge.guard import PUBLIC, BodyLimit

TOKEN = "t" * 43

BAD_HEADERS = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer  {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": f"Bearer {TOKEN},{TOKEN}"},
    {"Authorization": "Bearer é"},
    {"Cookie": f"Authorization=Bearer {TOKEN}"},
    {"X-Authorization": f"Bearer {TOKEN}"},
    {"X-Forwarded-User": "admin", "X-Original-URL": "/health", "X-Rewrite-URL": "/health"},
]

PATH_TRICKS = [
    "{path}",
    "{path}/",
    "/{path}",
    "//{path}",
    "{path}/health",
    "{path}/../../health",
    "{path};/health",
    "{path}?/health",
    "{path}#/health",
    "{path}%2fhealth",
    "{path}%00/health",
    "/health{path}",
    "/health/..{path}",
    "/health/%2e%2e{path}",
    "/health;{path}",
    "/health%2f..{path}",
    "/./health/../{path}",
]
HEALTH_TRICKS = ["/health/", "//health", "/Health", "/%68ealth", "/health%20", "/health%00", "/./health", "/health/x"]


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of the API."""
    found = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    assert len(found) >= 25
    return [route for route in found if route not in PUBLIC]


def as_request(template: str, path: str) -> bytes:
    """A target as it stands in the request line, with nothing normalised."""
    return template.format(path=path.replace("{", "").replace("}", "")).encode()


async def ask(app: ASGIApp, method: str, target: bytes, headers: dict[str, str]) -> int:
    """The status of an answer; the application gets the target exactly as a socket would give it, with no tidying."""
    path, _, query = target.partition(b"?")
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return statuses[0]


async def test_no_route_opens_without_the_token() -> None:
    """Routes x path tricks x bad tokens: every request is refused, and only for the token."""
    app = make_app(None, TOKEN)
    asked = 0
    for (method, path), trick, headers in itertools.product(routes(app), PATH_TRICKS, BAD_HEADERS):
        asked += 1
        assert await ask(app, method, as_request(trick, path), headers) == 401, (method, path, trick, headers)
    assert asked >= 5_000


async def test_nothing_like_health_is_public() -> None:
    """The public list is exact: other methods and other spellings of its path need the token."""
    app = make_app(None, TOKEN)
    for target in HEALTH_TRICKS:
        assert await ask(app, "GET", target.encode(), {}) == 401, target
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"):
        assert await ask(app, method, b"/health", {}) == 401, method


async def test_the_token_opens() -> None:
    """The scheme's name is case-insensitive, as RFC 9110 has it; the API describes itself to whoever has the token."""
    app = make_app(None, TOKEN)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert await ask(app, "GET", b"/v1/openapi.json", {"Authorization": f"{scheme} {TOKEN}"}) == 200
    assert await ask(app, "GET", b"/nowhere", {"Authorization": f"Bearer {TOKEN}"}) == 404


async def test_two_tokens_are_none() -> None:
    """Two headers could mean one thing to a proxy and another to us."""
    app = make_app(None, TOKEN)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
        answer = await client.get("/v1/openapi.json", headers=twice)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


async def test_sockets_are_closed() -> None:
    """There is no WebSocket route, and none is reached without the token."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await make_app(None, TOKEN)({"type": "websocket", "path": "/health", "headers": []}, receive, send)
    assert [m["type"] for m in sent] == ["websocket.close"]


@pytest.mark.parametrize("headers", [{"content-length": "1000"}, {}])
async def test_a_large_body_is_refused(headers: dict[str, str]) -> None:
    """Whether it says how large it is or only turns out to be, a body past the limit gets 413 and is not read on."""
    read = 0

    async def count(_scope: Scope, receive: Receive, _send: Send) -> None:
        nonlocal read
        more = True
        while more:
            message = await receive()
            read += len(message["body"])
            more = message["more_body"]

    async def body() -> bytes:  # type: ignore[misc]
        for _ in range(100):
            yield b"x" * 10

    transport = httpx.ASGITransport(BodyLimit(count, limit=100))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        answer = await client.post("/", content=body(), headers=headers)
    assert answer.status_code == 413
    assert read <= 100
