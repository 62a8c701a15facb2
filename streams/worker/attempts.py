"""Attempts that run in the worker's own loop: one asyncio task each."""

import asyncio
import time
from collections.abc import Mapping

import structlog

from streams.engine.records import Job
from streams.worker.kinds.base import Attempt, Kind
from streams.worker.line import Key, key_of
from streams.worker.outcomes import ERROR_CHARACTERS, KindError, Outcome, clean, describe
from streams.worker.output import LogSender, Output
from streams.worker.processes import MOMENT, Ended, Floor

_log = structlog.get_logger(__name__)


class Attempts:
    """Starts, times and stops them."""

    def __init__(self, kinds: Mapping[str, Kind], floor: Floor, lines: LogSender, output_limit: int) -> None:
        self._kinds, self._floor, self._lines, self._limit = kinds, floor, lines, output_limit
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._verdicts: dict[Key, Outcome | None] = {}

    def busy(self) -> int:
        """How many run."""
        return len(self._tasks)

    def start(self, job: Job) -> None:
        """Start one."""
        key = key_of(job)
        task = self._tasks[key] = asyncio.create_task(self._run(job, key), name=f"attempt of {job.task}")
        task.add_done_callback(lambda _: self._gone(key))

    def stop(self, key: Key) -> bool:
        """Kill one; whether it was here. Nothing is reported about it."""
        if task := self._tasks.get(key):
            self._verdicts[key] = None
            task.cancel()
        return task is not None

    def kill_all(self, verdict: Outcome | None) -> None:
        """Kill all; they end by the verdict, or by none."""
        for key, task in self._tasks.items():
            self._verdicts.setdefault(key, verdict)
            task.cancel()

    async def wait(self) -> None:
        """Until none runs."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _gone(self, key: Key) -> None:
        self._tasks.pop(key, None)
        self._verdicts.pop(key, None)
        self._floor.pump()

    async def _run(self, job: Job, key: Key) -> None:
        at, started = round(time.time() * 1000), time.monotonic()
        timer = asyncio.get_running_loop().call_later(MOMENT, self._floor.started, job, at)
        output = Output(self._lines, job, self._limit)
        try:
            outcome = await self._outcome(job, output)
        except asyncio.CancelledError:
            killed = self._verdicts.get(key)
            if killed is None:
                return
            outcome = killed
        finally:
            timer.cancel()
        if output.cut:
            outcome = outcome._replace(cut=True)
        self._floor.ended(Ended(job, outcome, at, time.monotonic() - started))

    async def _outcome(self, job: Job, output: Output) -> Outcome:
        kind = self._kinds.get(job.kind)
        if kind is None:
            known = ", ".join(sorted([*self._kinds, "function"]))
            return Outcome("refused", error=f"this worker cannot run a task of kind {job.kind!r:.80}, only: {known}")
        try:
            async with asyncio.timeout(job.timeout / 1000 if job.timeout else None) as limit:
                return await kind.run(Attempt(job, output))
        except KindError as error:
            return Outcome(error.outcome, error=clean(str(error))[:ERROR_CHARACTERS])
        except Exception as error:  # noqa: BLE001  (one attempt must not end the worker)
            if limit.expired():
                return Outcome("timeout", error=f"it ran longer than its timeout of {job.timeout / 1000:g} s")
            _log.exception("an attempt failed in a way that its kind does not explain", task=job.task, kind=job.kind)
            return Outcome("failed", error=describe(error))
