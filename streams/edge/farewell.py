"""What callers hear whom an ending edge can answer no more. Plain ASGI, around every route."""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.edge.problems import answer

ENDS = (
    "the API ends here before it could answer, and what was ordered may be carried out all the same: ask again, with "
    "the same run, another one or this one in a moment"
)


class Farewell:
    """Answers 503 where the work for a request is cancelled before anything of an answer was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun:
                raise
            await answer(HTTPStatus.SERVICE_UNAVAILABLE, ENDS)(scope, receive, send)
