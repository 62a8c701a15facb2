"""Statements for ClickHouse, over the edge where the engine is embedded there, or straight to a server."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
from clickhouse_connect.driver import create_async_client
from clickhouse_connect.driver.exceptions import ClickHouseError
from msgspec import json

from streams.settings import Settings
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
        self._server: Any = None

    async def run(self, attempt: Attempt) -> Outcome:
        """Run a statement; read-only unless the task says that it writes."""
        by = self._by_edge if self._settings.clickhouse == "chdb" else self._by_server
        call = attempt.call
        columns, rows = await by(call["sql"], _parameters(attempt), writes=bool(call.get("writes")))
        return encode_result([dict(zip(columns, row, strict=True)) for row in rows] or None, self._limit)

    async def close(self) -> None:
        """Disconnect."""
        if self._edge:
            await self._edge.aclose()
        if self._server:
            await self._server.close()

    async def _by_edge(self, query: str, parameters: dict[str, Any], *, writes: bool) -> tuple[Any, Any]:
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
        path = self._settings.token_file or self._settings.home / "api-token"
        with contextlib.suppress(FileNotFoundError):
            return {"Authorization": f"Bearer {Path(path).read_text(encoding='utf-8').strip()}"}
        return {}

    async def _by_server(self, query: str, parameters: dict[str, Any], *, writes: bool) -> tuple[Any, Any]:
        try:
            if self._server is None:
                self._server = await create_async_client(dsn=self._settings.clickhouse, autogenerate_session_id=False)
            settings = {} if writes else {"readonly": 2}
            found = await self._server.query(query, parameters=parameters, settings=settings)
        except ClickHouseError as error:
            raise KindError(" ".join(str(error).split())[:ERROR_CHARACTERS]) from None
        return found.column_names, found.result_rows


def _parameters(attempt: Attempt) -> dict[str, Any]:
    """The task's own parameters; `{inputs:String}` and `{payload:String}` are the values as JSON, where asked for."""
    call = attempt.call
    values = {"inputs": attempt.inputs, "payload": attempt.payload}
    asked = {name: value for name, value in values.items() if f"{{{name}:" in call["sql"]}
    return {**{name: json.encode(value).decode() for name, value in asked.items()}, **call.get("parameters", {})}


def _problem(answer: httpx.Response) -> str:
    """What the edge says is wrong, in a line."""
    with contextlib.suppress(ValueError, AttributeError):
        problem = answer.json()
        return f"{problem.get('title', '')}: {problem.get('detail', '')}".strip(": ")[:ERROR_CHARACTERS]
    return f"the edge answered with status {answer.status_code}: {answer.text[:200]}"
