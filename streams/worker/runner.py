"""What a worker has: jobs that wait, in order, and jobs that run, in its slots."""

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.attempts import Attempts
from streams.worker.credits import Credits
from streams.worker.lease import Lease
from streams.worker.line import Key, Line, Once, key_of
from streams.worker.outcomes import Outcome
from streams.worker.pace import Pace, Turnaround, surplus
from streams.worker.processes import Ended, Processes


class Reports(Protocol):
    """Where the news goes."""

    def finished(self, ended: Ended) -> None:
        """An attempt has ended."""

    def started(self, job: Job, at: int) -> None:
        """An attempt runs longer than a moment."""

    def wake(self) -> None:
        """The credits may have changed."""


class Runner:
    """Takes jobs in, starts the most critical one whenever a slot is free, and passes on how they ended."""

    def __init__(self, settings: Settings, pace: Pace, lease: Lease) -> None:
        self._slots, self._pace, self.lease = settings.slots, pace, lease
        self._line = Line()
        self._once = Once()
        self._ended_at = time.monotonic()
        self._processes: Processes
        self._attempts: Attempts
        self._reports: Reports
        self._pumping = False
        self.credits = Credits()
        self._turnaround = Turnaround()
        self.draining = False
        self._equipped = False
        self._loop = asyncio.get_running_loop()

    def equip(self, processes: Processes, attempts: Attempts, reports: Reports) -> None:
        """Say where jobs run and where the news goes; before the first job comes."""
        self._processes, self._attempts, self._reports = processes, attempts, reports
        self._equipped = True

    # --- figures

    def running(self) -> int:
        """Slots in use."""
        return self._processes.busy() + self._attempts.busy()

    def held(self) -> int:
        """Jobs it has, running or not."""
        return len(self._line) + self._processes.held() + self._attempts.busy()

    def waiting(self) -> int:
        """Jobs that no slot has taken."""
        return len(self._line)

    def capacity(self) -> int:
        """How many jobs it wants to hold: slots and look-ahead; while draining, none."""
        if self.draining:
            return 0
        return self._slots + self._ahead()

    def _ahead(self) -> int:
        """How many of them are look-ahead: none while all slots are busy and nothing ends for long."""
        stalled = self.running() >= self._slots and time.monotonic() - self._ended_at > self._pace.silence()
        return 0 if stalled else self._pace.ahead(self._turnaround.seconds)

    def limit(self) -> int:
        """The credits, for a beat."""
        limit = self.credits.limit(self.capacity(), self.held())
        self._turnaround.told(self.credits.told, limit, time.monotonic())
        return self.credits.tell(limit)

    def news(self) -> int | None:
        """The credits, where they are worth a message."""
        before = self.credits.told
        limit = self.credits.news(self.capacity(), self.held())
        if limit is not None:
            self._turnaround.told(before, limit, time.monotonic())
        return limit

    # --- in

    def take(self, job: Job) -> None:
        """Take in a job of this incarnation; one that came before is dropped."""
        self.credits.seen.add(job.seq)
        self._turnaround.arrived(job.seq, time.monotonic())
        if not self._once.first(key_of(job)):
            return
        if self.draining:
            self._hand_back([job])
        else:
            self._line.push(job)

    def void(self, numbers: Iterable[int]) -> None:
        """Count assignments that came to nothing."""
        for seq in numbers:
            self.credits.seen.add(seq)

    def stop(self, key: Key) -> None:
        """Forget or kill an attempt."""
        self._once.ended(key)  # where its job comes later than its end, it must not start
        if not (self._line.remove(key) or self._attempts.stop(key)):
            self._processes.stop(key)
        self.pump()

    # --- through

    def pump(self) -> None:
        """Start what can be started, soon: once for all that happens in this turn of the loop."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self.lease.holds(time.monotonic()):
            while (job := self._line.head()) and self._start(job):
                self._line.pop()
        self._processes.send()
        self._reports.wake()

    def _start(self, job: Job) -> bool:
        if job.kind == "function":
            return self._call(job)
        free = self.running() < self._slots
        if free:
            self._attempts.start(job)
        return free

    def _call(self, job: Job) -> bool:
        expected = self._pace.expected(job.call)
        if self._processes.join(job, expected):
            return True
        free = self.running() < self._slots
        if self._processes.place(job, expected, wake=free):
            return True
        if free and (reason := self._processes.hopeless()):
            self._finish(Ended(job, Outcome("failed", error=reason), round(time.time() * 1000), 0.0))
            return True
        return False

    # --- out

    def ended(self, ended: Ended) -> None:
        """An attempt has ended: report it, learn its run time, start the next."""
        self._ended_at = time.monotonic()
        job = ended.job
        self._pace.ran(job.call if job.kind == "function" else b"", ended.seconds)  # other calls may be long texts
        self._finish(ended)
        self.pump()

    def started(self, job: Job, at: int) -> None:
        """An attempt runs longer than a moment."""
        self._reports.started(job, at)

    def again(self, jobs: list[Job]) -> None:
        """Jobs that a process gives back stand in the line again, but for those that were stopped meanwhile."""
        jobs = [job for job in jobs if self._once.has(key_of(job))]
        if self.draining:
            self._hand_back(jobs)
            return
        for job in jobs:
            self._line.push(job)
        self.pump()

    def shed(self) -> None:
        """Hand back what came in the belief that tasks here are quicker than they turned out to be."""
        if back := surplus(self.held(), self._slots, self._ahead()):
            self._hand_back(self._line.take_last(back))
            self.pump()

    def drain(self) -> None:
        """From now on start nothing, and hand back what has not started."""
        self.draining = True
        self._hand_back([*self._line.take_last(len(self._line)), *self._processes.recall()])
        self._reports.wake()

    def kill(self, verdict: Outcome | None) -> None:
        """Kill what runs; it ends by the verdict, or by none. Nothing that waits starts: the incarnation is over."""
        self.draining = True
        self._line = Line()
        if not self._equipped:
            return
        self._processes.kill_busy(verdict)
        self._attempts.kill_all(verdict)

    async def empty(self) -> None:
        """Until nothing runs."""
        if not self._equipped:
            return
        await self._attempts.wait()
        while self._processes.busy():  # noqa: ASYNC110  (at a worker's end only; an event would cost every job)
            await asyncio.sleep(0.01)

    def _hand_back(self, jobs: list[Job]) -> None:
        now = round(time.time() * 1000)
        for job in jobs:
            self._finish(Ended(job, Outcome("returned"), now, 0.0))

    def _finish(self, ended: Ended) -> None:
        self._once.ended(key_of(ended.job))
        self._reports.finished(ended)
