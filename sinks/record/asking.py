"""Asking ClickHouse from an event loop: a few threads, each with a client of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.record.client import ClickHouseAwayError, Names, open_client
from sinks.record.errors import QueryFailedError, is_away, shortened
from streams.settings import Settings

T = TypeVar("T")
Fresh = Callable[[], Awaitable[None]]


async def as_it_is() -> None:
    """Ask the tables as they are."""


class Asking:
    """Runs questions in threads. Clients are opened when they are first needed, and anew after a connection failed."""

    def __init__(self, settings: Settings, name: str, threads: int, fresh: Fresh) -> None:
        self._settings = settings
        self._fresh = fresh
        self._names = Names.under(settings.namespace)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"clickhouse-{name}")
        self._own = threading.local()
        self._clients: list[Client] = []

    async def ask(self, question: Callable[[Client], T]) -> T:
        """What `question` returns. Raises ClickHouseAwayError, QueryFailedError, and whatever it raises itself."""
        await self._fresh()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    async def rows(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of a statement of ours, as dictionaries; {main} and {raw} are the databases."""
        statement = self._names.fill(sql)
        return await self.ask(lambda client: list(client.query(statement, parameters=parameters).named_results()))

    async def close(self) -> None:
        """Wait for the questions under way and let the clients go."""
        await asyncio.to_thread(self._threads.shutdown)
        for client in self._clients:
            client.close()

    def _ask(self, question: Callable[[Client], T]) -> T:
        try:
            return question(self._client())
        except ClickHouseError as error:
            if is_away(error):
                self._own.client = None
                raise ClickHouseAwayError(f"ClickHouse does not answer: {shortened(str(error))}") from error
            raise QueryFailedError(shortened(str(error)), getattr(error, "code", None)) from error

    def _client(self) -> Client:
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = open_client(self._settings)
            client.database = self._names.main
            self._own.client = client
            self._clients.append(client)
        return client
