"""Crowds that submit in bulk, as fast as they may, until each submission is acknowledged."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from math import inf

from aiokafka.errors import KafkaError

from streams.client import KafkaClient
from streams.engine.records import TaskDef
from tests.chaos.run import DRAIN
from tests.chaos.system import System
from ui.client import ApiError, ApiUnavailableError

CHUNK, CROWD = 100, 4
"""How many submissions go together, and how many clients submit side by side."""

PATIENCE = 30.0
"""Seconds after which a client that heard nothing submits again."""

ROWS = """
SELECT count(), uniqExact(execution), countIf(state = 'succeeded') FROM executions WHERE run = {run:String}
"""


@dataclass
class Crowd:
    """Clients of one run, `rate` submissions a second together; when each was acknowledged, monotonic seconds."""

    system: System
    run: str
    rate: float = inf
    acknowledged: list[float] = field(default_factory=list)
    unknown: int = 0

    def submit(self, tasks: Iterator[TaskDef]) -> None:
        """Submit them all."""
        asyncio.run(self._all(tasks))

    def rows(self) -> tuple[int, int, int]:
        """Rows, executions and successes in the history."""
        rows, distinct, succeeded = (int(str(n)) for n in self.system.client.sql(ROWS, {"run": self.run}).rows[0])
        return rows, distinct, succeeded

    async def _all(self, tasks: Iterator[TaskDef]) -> None:
        async with KafkaClient(self.system.settings) as client:
            await asyncio.gather(*(self._one(client, tasks) for _ in range(CROWD)))

    async def _one(self, client: KafkaClient, tasks: Iterator[TaskDef]) -> None:
        while chunk := list(islice(tasks, CHUNK)):
            while not await self._acknowledged(client, chunk):
                self.unknown += len(chunk)
            self.acknowledged += [time.monotonic()] * len(chunk)
            await asyncio.sleep(CROWD * CHUNK / self.rate)

    async def _acknowledged(self, client: KafkaClient, chunk: list[TaskDef]) -> bool:
        try:
            await asyncio.wait_for(client.submit_many(chunk, self.run), PATIENCE)
        except (KafkaError, TimeoutError):
            return False
        return True


def drained(crowd: Crowd, count: int) -> tuple[int, int, int]:
    """Rows, executions and successes in the history, once all are there or nothing has come for long."""
    found, changed = (0, 0, 0), time.monotonic()
    while found != (count,) * 3 and time.monotonic() < changed + DRAIN:
        crowd.system.supervisor.pause(0.5)
        with suppress(ApiUnavailableError, ApiError):  # a history that was away may need a moment
            if (now := crowd.rows()) != found:
                found, changed = now, time.monotonic()
    return found
