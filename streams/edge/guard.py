"""What stands before every route: who may pass, and how much they may send. Plain ASGI: nothing is routed yet."""

import hmac
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.edge.problems import answer
from streams.topics import MESSAGE_LIMIT

PUBLIC = frozenset({("GET", "/health"), ("HEAD", "/health")})
"""Exactly these pass without a token, compared as they came: no prefix, no suffix, nothing normalised."""

BODY_LIMIT = MESSAGE_LIMIT


class Guard:
    """Denies by default: only `PUBLIC` or a request with the right bearer token goes on."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan" or self._may_pass(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            detail = "send the API's token: `Authorization: Bearer TOKEN` (it is in the file api-token)"
            await answer(HTTPStatus.UNAUTHORIZED, detail)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _may_pass(self, scope: Scope) -> bool:
        if scope["type"] != "http":
            return False
        if (scope["method"], scope["path"]) in PUBLIC and scope.get("raw_path", b"/health") == b"/health":
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token, self._token)


class BodyLimit:
    """Answers 413 to a body that says, or turns out, to be larger than `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _announced(scope) > self._limit:
            return await self._refuse(scope, receive, send)
        return await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _TooLargeError
            return message

        try:
            await self._app(scope, count, send)
        except _TooLargeError:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body has more than {self._limit} bytes; send less at once"
        await answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)


class _TooLargeError(BaseException):
    """Passes through the handlers in between, which answer any Exception by themselves."""


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
