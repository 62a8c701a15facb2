"""A worker between being granted a lane and losing or leaving it."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.engine.commands import Beat, Dismiss, Goodbye, Grant, LaneMessage, ReadyCommand, Run, Stop, Void
from streams.envelope import lane_messages, worker_messages
from streams.pulse import say_ready
from streams.settings import Settings
from streams.topics import Topics, pool_partition
from streams.worker.lane import batches, reading
from streams.worker.lease import Lease
from streams.worker.outcomes import Outcome
from streams.worker.processes import KILLED_WITHIN
from streams.worker.results import AGAIN, Results, now_ms
from streams.worker.runner import Runner
from streams.worker.tools import Tools

_log = structlog.get_logger(__name__)


class DismissedError(Exception):
    """The dispatcher has taken the lane away; the text says why."""


class Incarnation:
    """One name, one lane, one count of credits. `stopping` begins the drain, `hurry` cuts it short."""

    def __init__(self, tools: Tools, stopping: asyncio.Event, hurry: asyncio.Event) -> None:
        self._settings: Settings = tools.settings
        self._tools, self._stopping, self._hurry = tools, stopping, hurry
        self._producer: AIOKafkaProducer = tools.producer
        self._topics = Topics.under(self._settings.namespace)
        self._partition = pool_partition(self._settings.pool, self._settings.ready_partitions)
        self.name = f"{self._settings.worker_name or socket.gethostname()}-{secrets.token_hex(4)}"
        self._grant: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._assigned: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._beat_now = asyncio.Event()
        self._beat_sent = time.monotonic()
        self._beat_every = self._settings.lease / 5  # seconds, until a grant says how long a lease is
        self._lease = Lease(self._settings.lease, time.monotonic())
        self._runner = Runner(self._settings, tools.pace, self._lease)
        self._results = Results(self._producer, self._settings, self.name, self._runner.news)
        self._lane = -1

    async def live(self) -> None:
        """Ask for a lane, work until `stopping`, drain. Raises DismissedError when the lane is taken away."""
        try:
            async with (
                reading(self._settings, self._topics.workers, 0) as notices,
                asyncio.TaskGroup() as group,
                _while_inside(group, self._hear(notices), self._beat()),
            ):
                if await self._granted():
                    await self._work(group)
        except BaseExceptionGroup as errors:
            self._runner.kill(None)
            await self._killed()
            if dismissed := errors.subgroup(DismissedError):
                raise DismissedError(str(dismissed.exceptions[0])) from None
            raise

    async def _granted(self) -> bool:
        """Wait for a lane; False when the worker is stopped before."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        futures: list[asyncio.Future[Any]] = [self._grant, stopping]
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return self._grant.done()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        grant = self._grant.result()
        async with reading(self._settings, self._topics.dispatch, grant.lane) as lane:
            self._begin(grant)
            async with _while_inside(group, self._read(lane), self._results.run()):
                await self._stopping.wait()
                await self._drain()

    def _begin(self, grant: Grant) -> None:
        self._lane = grant.lane
        self._tools.processes.serve(self._runner)
        self._runner.equip(self._tools.processes, self._tools.attempts(self._runner), self._results)
        self._beat_now.set()
        _log.info("lane granted", worker=self.name, lane=grant.lane, pool=self._settings.pool)
        say_ready()

    # --- what is said to it

    async def _hear(self, notices: AIOKafkaConsumer) -> None:
        async for batch in batches(notices, worker_messages):
            for notice in batch:
                if notice.worker != self.name:
                    continue
                if isinstance(notice, Dismiss):
                    raise DismissedError(notice.reason)
                self._take_grant(notice)

    def _take_grant(self, grant: Grant) -> None:
        if not self._grant.done():
            self._lease = self._runner.lease = Lease(grant.lease / 1000, self._beat_sent)
            self._beat_every = grant.lease / 5000
            self._grant.set_result(grant)
        if grant.assigned >= 0 and not self._assigned.done():
            self._assigned.set_result(grant.assigned)

    async def _read(self, lane: AIOKafkaConsumer) -> None:
        async for batch in batches(lane, lane_messages):
            for message in batch:
                self._do(message)
            self._runner.pump()

    def _do(self, message: LaneMessage) -> None:
        """Lanes are leased again and again: what is meant for another incarnation is none of ours."""
        if isinstance(message, Run):
            if message.job.worker == self.name:
                self._runner.take(message.job)
        elif message.worker == self.name:
            if isinstance(message, Void):
                self._runner.void(message.numbers)
            elif isinstance(message, Stop):
                self._runner.stop((message.id, message.attempt))

    # --- what it says

    async def _beat(self) -> None:
        while True:
            self._beat_now.clear()
            self._beat_sent = time.monotonic()
            try:
                await self._say(self._state())
            except KafkaError as error:
                _log.warning("a beat did not reach the broker", worker=self.name, error=repr(error))
                await asyncio.sleep(AGAIN)
                continue
            if self._lane >= 0:
                self._acknowledged()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._beat_now.wait(), self._beat_every)

    def _acknowledged(self) -> None:
        self._lease.acknowledged(self._beat_sent, time.monotonic())
        self._tools.processes.set_fence(self._lease.until)
        self._runner.shed()
        self._runner.pump()

    def _state(self) -> Beat:
        granted = self._lane >= 0
        return Beat(
            worker=self.name,
            pool=self._settings.pool,
            slots=self._settings.slots,
            limit=self._runner.limit() if granted else -1,
            held=self._runner.held() if granted else 0,
            running=self._runner.running() if granted else 0,
            draining=self._runner.draining,
            version=version("headrace"),
            host=socket.gethostname(),
            pid=os.getpid(),
            at=now_ms(),
            capacity=self._runner.capacity() if granted else 0,
        )

    async def _say(self, command: ReadyCommand) -> None:
        data = msgspec.msgpack.encode([command])
        await self._producer.send_and_wait(self._topics.ready, data, partition=self._partition)

    # --- leaving

    async def _drain(self) -> None:
        """Hand back what has not started, let what runs end, say goodbye."""
        patience = self._settings.drain_timeout
        _log.info("draining", worker=self.name, held=self._runner.held(), seconds=patience)
        self._runner.drain()
        self._beat_now.set()
        if not await self._unless_hurried(self._ended(), patience):
            reason = f"the worker was stopped, and the task did not end within its drain_timeout of {patience:g} s"
            self._runner.kill(Outcome("lost", error=reason))  # no failure of the task: it runs again, if it may
            await self._killed()
        await self._results.flush()
        await self._tools.lines.flush()
        await self._say(Goodbye(self.name, self._settings.pool))
        _log.info("drained", worker=self.name)

    async def _ended(self) -> None:
        """Until all that was assigned has arrived, and nothing runs."""
        with contextlib.suppress(TimeoutError):  # a dispatcher that is away cannot say; then the scheduler finds out
            async with asyncio.timeout(self._settings.lease):
                assigned = await asyncio.shield(self._assigned)
                while self._runner.credits.seen.count < assigned:  # noqa: ASYNC110  (a last moment, once)
                    await asyncio.sleep(0.01)
        await self._runner.empty()

    async def _killed(self) -> None:
        """Until what was killed is gone, but not for longer than that takes where nothing hangs in the kernel."""
        if not await self._unless_hurried(self._runner.empty(), KILLED_WITHIN, hurry=False):
            left = self._runner.running()
            _log.error("killed tasks are there all the same", worker=self.name, running=left, seconds=KILLED_WITHIN)

    async def _unless_hurried(self, work: Coroutine[None, None, None], seconds: float, *, hurry: bool = True) -> bool:
        """Whether `work` was done in time, and before anybody hurried."""
        task = asyncio.create_task(work)
        others = [asyncio.create_task(self._hurry.wait())] if hurry else []
        await asyncio.wait([task, *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for other in [task, *others]:
            other.cancel()
        return task.done() and not task.cancelled()


@asynccontextmanager
async def _while_inside(group: asyncio.TaskGroup, *work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run these beside what is inside; they are over before it is left, and with them what they read from."""
    tasks = [group.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
