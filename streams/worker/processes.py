"""The warm processes: as many as are needed, up to the worker's slots, and always healthy ones."""

import asyncio
import time
from typing import NamedTuple, Protocol

import structlog

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.frames import Done, Hello, Said
from streams.worker.line import Key
from streams.worker.outcomes import Outcome
from streams.worker.output import LogSender, Output
from streams.worker.process import Process

_log = structlog.get_logger(__name__)

TICK = 0.02
"""Seconds between two looks at what runs; also how long all are busy before another process is started."""

SHARE = 0.0005
"""A process with less work than so many seconds gets more, before an idle one is woken."""

MOST = 0.002
"""Seconds of work that a process is given at most, where its jobs are as short as that."""

OVERDUE = 0.01
"""A job that runs longer gives back what the process holds besides."""

MOMENT = 0.1
"""An attempt that runs longer is reported as started."""

PATIENCE = 0.25
"""Seconds for which short jobs must find no room as well: a start costs as much as ten thousands of them."""

STARTING = 2
"""Processes that start at the same time."""

START_LIMIT = 60.0
"""Seconds in which the pipeline files must be loaded."""

TRIES = 3
"""Processes in a row that may die while starting, before function jobs fail with that reason."""

RETRY = 5.0
"""Seconds until it is tried once more."""

RECYCLE = 1_000_000
"""Jobs after which a process is replaced, whatever its memory."""

GENTLE = 1.0
"""Seconds in which processes without work end by themselves, where they are replaced or the worker ends."""

KILLED_WITHIN = 2.0
"""Seconds in which killed ones must be gone; what hangs in the kernel stays for longer."""

NOBODY: Key = (b"", 0)

SLACK = 16_384
"""Bytes: the process itself cuts output at the limit, and what comes past it is cut a little later."""


class Ended(NamedTuple):
    """How an attempt ended. Times: epoch milliseconds, and seconds it took."""

    job: Job
    outcome: Outcome
    started_at: int
    seconds: float


class Floor(Protocol):
    """Who wants to know: the worker's runner."""

    def ended(self, ended: Ended) -> None:
        """An attempt has ended."""

    def started(self, job: Job, at: int) -> None:
        """An attempt runs longer than a moment."""

    def again(self, jobs: list[Job]) -> None:
        """These were given to a process and not started."""

    def pump(self) -> None:
        """There may be room for more."""

    def waiting(self) -> int:
        """How many jobs have not started."""


class Processes:
    """Gives jobs to processes, a few at a time to one where they are tiny, and looks after those processes."""

    def __init__(self, settings: Settings, lines: LogSender) -> None:
        self._settings, self._lines = settings, lines
        self._floor: Floor
        self._loop = asyncio.get_running_loop()
        self._all: list[Process] = []
        self._outputs: dict[Key, Output] = {}
        self._last: dict[int, Key] = {}
        self._announced: set[Key] = set()
        self._failed_starts = 0
        self._starved_at = self._spawned_at = 0.0
        self._last_memory = 0.0
        self._filling: Process | None = None
        self._fence = 0.0
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    # --- giving

    def serve(self, floor: Floor) -> None:
        """Work for this one from now on; the first time, warm up a process."""
        self._floor = floor
        if not self._all:
            self._spawn()

    def busy(self) -> int:
        """How many have work: each takes one of the worker's slots."""
        return sum(1 for p in self._all if p.jobs)

    def held(self) -> int:
        """How many jobs they have."""
        return sum(len(p.jobs) for p in self._all)

    def join(self, job: Job, expected: float | None) -> bool:
        """Give a short job to the process that the last one went to; whether that works and has room for it."""
        process = self._filling
        if process is None or expected is None or not (process.jobs and process.open):
            return False
        if process.backlog + expected > SHARE:
            return False
        self._give(process, job, expected)
        return True

    def place(self, job: Job, expected: float | None, *, wake: bool) -> bool:
        """Give the job to a process; `wake`: an idle one may be taken. Whether there was one."""
        process = self._choose(expected, wake=wake)
        if process is None:
            if wake:
                self._starve(PATIENCE if _stackable(expected) else 0.0)
            return False
        self._filling = process
        self._give(process, job, expected or 0.0)
        return True

    def send(self) -> None:
        """Send all that was placed: now it shows whether anyone still waits for a process."""
        for process in self._all:
            process.send()
        if self._starved_at and any(p.open and not p.jobs for p in self._all):
            self._starved_at = 0.0

    def hopeless(self) -> str:
        """Why no process can be had; empty: there is hope."""
        if self._failed_starts >= TRIES and time.monotonic() - self._spawned_at > RETRY:
            self._failed_starts = TRIES - 1
        if self._failed_starts < TRIES:
            return ""
        return "no process for functions could be started: it died while it loaded the pipeline files (see the log)"

    def _give(self, process: Process, job: Job, seconds: float) -> None:
        process.give(job, seconds)
        if self._timer is None:
            self._arm()

    def _choose(self, expected: float | None, *, wake: bool) -> Process | None:
        busy = [p for p in self._all if p.jobs and p.open] if _stackable(expected) else []
        least = min(busy, key=lambda p: p.backlog, default=None)
        if least and least.backlog + (expected or 0.0) <= SHARE:
            return least
        if wake and (idle := next((p for p in self._all if p.open and not p.jobs), None)):
            return idle
        return least if least and least.backlog + (expected or 0.0) <= MOST else None

    def _starve(self, patience: float) -> None:
        """No process was free; start one if that lasts."""
        if not self._all:
            self._spawn()
        at = time.monotonic() + patience
        self._starved_at = min(self._starved_at or at, at)  # the patience of a short job is not that of a long one
        if self._timer is None:
            self._arm()

    def _spawn(self) -> None:
        self._spawned_at = time.monotonic()
        self._all.append(Process(self._settings, self, self._fence))
        if self._timer is None:
            self._arm()

    # --- taking away

    def stop(self, key: Key) -> bool:
        """Take an attempt away or kill it; whether it was here. Nothing is reported about it."""
        for process in self._all:
            if key in process.numbers:
                self._stop_in(process, key)
                return True
        return False

    def _stop_in(self, process: Process, key: Key) -> None:
        back = process.take_back()
        self._outputs.pop(key, None)
        self._announced.discard(key)
        if key in process.numbers:
            process.kill(None)
        self._floor.again([job for job in back if (job.execution, job.attempt) != key])

    def recall(self) -> list[Job]:
        """Take back all that has not started."""
        return [job for process in self._all for job in process.take_back()]

    def set_fence(self, until: float) -> None:
        """Nothing starts after this moment (monotonic seconds)."""
        self._fence = until
        for process in self._all:
            process.set_fence(until)

    def kill_busy(self, verdict: Outcome | None) -> None:
        """Kill whatever runs; it ends by the verdict, or by none."""
        if verdict is None:
            self._outputs.clear()
            self._announced.clear()
        for process in [p for p in self._all if p.jobs]:
            process.take_back()
            process.kill(verdict)

    async def close(self) -> None:
        """End all processes, the idle ones gently, and wait until they are gone, but not for ever."""
        self._closing = True
        if self._timer:
            self._timer.cancel()
        for process in self._all:
            process.hang_up()
        if not await self._all_gone(GENTLE):
            for process in self._all:
                process.kill(None)
            if not await self._all_gone(KILLED_WITHIN):
                _log.error("killed processes are there all the same", pids=[process.pid for process in self._all])

    async def _all_gone(self, within: float) -> bool:
        deadline = time.monotonic() + within
        while self._all and time.monotonic() < deadline:  # noqa: ASYNC110  (at a worker's end only)
            await asyncio.sleep(0.005)
        return not self._all

    # --- what processes say (process.Owner)

    def ready(self, process: Process, hello: Hello) -> None:
        """A process waits for work."""
        self._failed_starts = 0
        self._starved_at = 0.0
        for problem in hello.problems:
            _log.warning("a pipeline file was not loaded", problem=problem, pid=process.pid)
        self._floor.pump()

    def ended(self, process: Process, job: Job, done: Done) -> None:
        """A job has ended in a process."""
        process.backlog *= len(process.jobs) / (len(process.jobs) + 1)
        output = self._close_output(process, job) if self._outputs else None
        if done.outcome == "returned":
            self._floor.again([job])
            return
        if self._announced:
            self._announced.discard((job.execution, job.attempt))
        cut = done.cut or (output is not None and output.cut)
        outcome = Outcome(done.outcome, done.result, done.error, cut)
        self._floor.ended(Ended(job, outcome, done.started_at, done.seconds))
        if process.given >= RECYCLE:
            self._retire(process, "it has run many jobs")

    def said(self, process: Process, job: Job | None, said: Said) -> None:
        """A line of output."""
        if job is None:
            _log.info("a process for functions says", pid=process.pid, stream=said.stream, text=said.text)
            return
        output = self._outputs.get((job.execution, job.attempt)) or self._open_output(process, job)
        output.line(said.stream, said.text, said.level, said.at)

    def died(self, process: Process, unstarted: list[Job]) -> None:
        """A process is gone."""
        self._all.remove(process)
        if not process.ready:
            self._failed_starts += 1
        self._outputs.pop(self._last.pop(process.pid, NOBODY), None)
        if not (self._all or self._closing or self._failed_starts):
            self._spawn()
        self._floor.again(unstarted)

    def _open_output(self, process: Process, job: Job) -> Output:
        key = (job.execution, job.attempt)
        output = self._outputs[key] = Output(self._lines, job, self._settings.output_limit + SLACK)
        if key not in process.numbers:  # it has ended, and this came late by a pipe
            self._remember(process, key)
        return output

    def _close_output(self, process: Process, job: Job) -> Output | None:
        """The output of a job that has ended; it stays at hand until the next one ends, for what comes late."""
        key = (job.execution, job.attempt)
        self._remember(process, key)
        return self._outputs.get(key)

    def _remember(self, process: Process, key: Key) -> None:
        before, self._last[process.pid] = self._last.get(process.pid, NOBODY), key
        if before != key:
            self._outputs.pop(before, None)

    # --- looking after them

    def _arm(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        for process in list(self._all):
            self._look_at(process, now)
        if now - self._last_memory > 10 * TICK:
            self._last_memory = now
            self._check_memory()
        if not self._floor.waiting():
            self._starved_at = 0.0  # only `send` knows who is idle: here one may be about to get its next job
        elif self._starved_at and now - self._starved_at > TICK:
            self._grow()
        if self._starved_at or any(p.jobs or p.retiring or not p.ready for p in self._all):
            self._arm()

    def _look_at(self, process: Process, now: float) -> None:
        number, since = process.running()
        if not process.ready and now - process.born > START_LIMIT:
            process.kill(None)
        if process.retiring and not process.jobs:
            self._see_off(process, now)
        job = process.jobs.get(number)
        if job is None or process.killed or now - since < OVERDUE:
            return
        process.catch_up()
        if number in process.jobs:
            self._look_at_long(process, job, now - since)

    def _see_off(self, process: Process, now: float) -> None:
        """A thread that a function left behind would keep its process, and the place of another one, for ever."""
        process.leaves_by = process.leaves_by or now + GENTLE
        if now > process.leaves_by and not process.killed:
            _log.warning("a process for functions did not end by itself and is killed", pid=process.pid)
            process.kill(None)

    def _look_at_long(self, process: Process, job: Job, seconds: float) -> None:
        if len(process.jobs) > 1:
            process.stuck = True
            self._floor.again(process.take_back())
        key = (job.execution, job.attempt)
        if seconds > MOMENT and key not in self._announced:
            self._announced.add(key)
            self._floor.started(job, round((time.time() - seconds) * 1000))
        if job.timeout and seconds * 1000 > job.timeout:
            process.take_back()
            if key in process.numbers:
                process.kill(Outcome("timeout", error=f"it ran longer than its timeout of {job.timeout / 1000:g} s"))

    def _check_memory(self) -> None:
        limit = self._settings.memory_limit_mb * 1024 * 1024
        for process in self._all:
            if process.given and not process.retiring and process.memory() > limit:
                self._retire(process, f"it holds more than {self._settings.memory_limit_mb} MB of memory")

    def _retire(self, process: Process, reason: str) -> None:
        """Replace a process, where that is not so already, as soon as what runs in it has ended."""
        if process.retiring or process.killed:
            return
        _log.info("a process for functions is replaced", pid=process.pid, reason=reason)
        self._floor.again(process.take_back())
        process.hang_up()

    def _grow(self) -> None:
        starting = sum(1 for p in self._all if not p.ready)
        if starting < min(STARTING, self._floor.waiting()) and len(self._all) < self._settings.slots:
            self._spawn()


def _stackable(expected: float | None) -> bool:
    return expected is not None and expected <= MOST
