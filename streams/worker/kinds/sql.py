"""Statements for ClickHouse, over the edge: its guard decides what may run, wherever the engine is."""

import asyncio
import contextlib
from typing import Any

import httpx
from msgspec import json

from streams.settings import Settings
from streams.token import token_path
from streams.worker.kinds.base import Attempt
from streams.worker.outcomes import ERROR_CHARACTERS, KindError, Outcome, encode_result

LONGEST = 24 * 3600.0
"""Seconds that a statement without a timeout may take."""


class SqlKind:
    """Runs statements; the rows are a list of objects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = settings.result_limit
        self._edge: httpx.AsyncClient | None = None

    async def run(self, attempt: Attempt) -> Outcome:
        """Run a statement; read-only unless the task says that it writes."""
        call = attempt.call
        columns, rows = await self._ask(call["sql"], _parameters(attempt), writes=bool(call.get("writes")))
        return encode_result([dict(zip(columns, row, strict=True)) for row in rows] or None, self._limit)

    async def close(self) -> None:
        """Disconnect."""
        if self._edge:
            await self._edge.aclose()

    async def _ask(self, query: str, parameters: dict[str, Any], *, writes: bool) -> tuple[Any, Any]:
        if self._edge is None:
            timeout = httpx.Timeout(LONGEST, connect=10.0)
            self._edge = await asyncio.to_thread(  # reading the certificates takes a while
                httpx.AsyncClient, base_url=self._settings.edge_url, timeout=timeout, trust_env=False
            )
        body = {"query": query, "parameters": parameters, "writes": writes}
        try:
            answer = await self._edge.post("/v1/sql", json=body, headers=self._authorization())
        except httpx.HTTPError as error:
            raise KindError(f"the edge at {self._settings.edge_url} did not answer: {error!r}") from None
        if answer.is_error:
            raise KindError(_problem(answer))
        found = answer.json()
        if found.get("cut"):
            raise KindError(f"the statement has more rows than the edge returns ({len(found['rows'])}); add a LIMIT")
        return found["columns"], found["rows"]

    def _authorization(self) -> dict[str, str]:
        with contextlib.suppress(FileNotFoundError):
            return {"Authorization": f"Bearer {token_path(self._settings).read_text(encoding='utf-8').strip()}"}
        return {}


def _parameters(attempt: Attempt) -> dict[str, Any]:
    """The task's own parameters; `{inputs:String}` and `{payload:String}` are the values as JSON, where asked for."""
    call = attempt.call
    values = {"inputs": attempt.inputs, "payload": attempt.payload}
    asked = {name: value for name, value in values.items() if f"{{{name}:" in call["sql"]}
    return {**{name: json.encode(value).decode() for name, value in asked.items()}, **call.get("parameters", {})}


def _problem(answer: httpx.Response) -> str:
    """What the edge says is wrong, in a line."""
    with contextlib.suppress(ValueError, AttributeError, KeyError):
        problem = answer.json()
        return str(problem.get("detail") or problem["title"])[:ERROR_CHARACTERS]
    return f"the edge answered with status {answer.status_code}: {answer.text[:200]}"
