"""One warm process, seen from the worker: what it was given, what it answers, how it ends."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.frames import RECEIVE, Answer, Done, Frames, Hello, Said, Work, frame, receive
from streams.worker.line import Key, key_of
from streams.worker.outcomes import Outcome
from streams.worker.output import Lines
from streams.worker.panel import Panel

PIPE = 64 * 1024
"""Bytes that a pipe holds."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Owner(Protocol):
    """Who gets to know what happens in a process."""

    def ended(self, process: "Process", job: Job, done: Done) -> None:
        """A job has ended."""

    def said(self, process: "Process", job: Job | None, said: Said) -> None:
        """A line of output; no job: from outside of one."""

    def ready(self, process: "Process", hello: Hello) -> None:
        """It has loaded its files and waits for work."""

    def died(self, process: "Process", unstarted: list[Job]) -> None:
        """It is gone, and so is what ran in it; these jobs never started."""


class Process:
    """Starts the process at once; all its callbacks come from the event loop."""

    def __init__(self, settings: Settings, owner: Owner, fence: float) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._panel = Panel.make()
        self._panel.set_fence(fence)
        with theirs:
            self._popen = _start(settings, theirs.fileno(), self._panel.fd)
        self._pidfd = os.pidfd_open(self._popen.pid)
        self._frames = Frames[Answer](Answer)
        self._works: list[Work] = []
        self._unsent = b""
        self._place = 0
        self._raw_lines: dict[str, Lines] = {}
        self._verdict: Outcome | None = None
        self._next = 1
        self.jobs: dict[int, Job] = {}
        self.numbers: dict[Key, int] = {}
        self.last: Job | None = None
        self.backlog = 0.0
        self.ready = self.retiring = self.stuck = self.killed = False
        self.born, self.leaves_by = time.monotonic(), 0.0
        self._watch()

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._popen.pid

    @property
    def open(self) -> bool:
        """Whether it may be given more."""
        return self.ready and not (self.retiring or self.stuck or self.killed)

    @property
    def given(self) -> int:
        """How many jobs it was given so far."""
        return self._next - 1

    def give(self, job: Job, seconds: float) -> None:
        """Add a job to what `send` will send; it is expected to take so long."""
        number, self._next = self._next, self._next + 1
        self.jobs[number] = job
        self.numbers[key_of(job)] = number
        self.backlog += seconds
        self._works.append(Work(number, job))

    def send(self) -> None:
        """Send what was given since the last time, as one frame."""
        if self._works and not self.killed:
            data, self._works = frame(self._works), []
            self._panel.count_sent()
            self._write(data)

    def running(self) -> tuple[int, float]:
        """The number of the job that runs (0: none), and since when."""
        return self._panel.running()

    def set_fence(self, until: float) -> None:
        """It starts nothing after this moment (monotonic seconds)."""
        self._panel.set_fence(until)

    def take_back(self) -> list[Job]:
        """Take back what it has not started; it keeps the one that runs."""
        self._works.clear()
        running = self._panel.take_back(self._next)
        self.catch_up()
        back = [job for number, job in self.jobs.items() if number != running]
        self.jobs = {running: self.jobs[running]} if running in self.jobs else {}
        self.numbers = {key_of(job): number for number, job in self.jobs.items()}
        self.backlog = 0.0
        return back

    def catch_up(self) -> None:
        """Read all that it has answered so far, sent or only journalled."""
        while True:
            before = self._panel.round
            self._read()
            for answer in Frames[Answer](Answer).feed(self._panel.peek()):
                self._answer(answer)
            if self._panel.round == before:
                return

    def kill(self, verdict: Outcome | None) -> None:
        """End it with all it started; the job that runs ends by the verdict, or by none."""
        self.killed, self._verdict = True, verdict
        if verdict is None and (job := self.jobs.pop(self.running()[0], None)):
            self.numbers.pop(key_of(job), None)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Let it end by itself: it has no work any more."""
        self.retiring = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def memory(self) -> int:
        """Bytes of memory that are its own now; 0 when it is gone."""
        with contextlib.suppress(OSError, IndexError):
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
        return 0

    # --- what it says

    def _watch(self) -> None:
        self._loop.add_reader(self._socket, self._read)
        self._loop.add_reader(self._pidfd, self._died)
        for name in ("stdout", "stderr"):
            pipe = getattr(self._popen, name)
            os.set_blocking(pipe.fileno(), False)
            self._raw_lines[name] = Lines()
            self._loop.add_reader(pipe, self._raw, name, pipe.fileno())

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := receive(self._socket):
                for answer in self._frames.feed(data):
                    self._answer(answer)
                if len(data) < len(RECEIVE):
                    return
            self._loop.remove_reader(self._socket)

    def _answer(self, answer: Answer) -> None:
        """Take an answer; the same may come from the journal and from the socket."""
        if isinstance(answer, Done):
            if job := self.jobs.pop(answer.number, None):
                self.numbers.pop(key_of(job), None)
                self.last, self.stuck = job, False
                self._owner.ended(self, job, answer)
        elif isinstance(answer, Said):
            if answer.place > self._place:
                self._place = answer.place
                self._owner.said(self, self.jobs.get(answer.number), answer)
        elif not self.ready:
            self.ready = True
            self._owner.ready(self, answer)

    def _raw(self, name: str, fd: int) -> bool:
        """Take what came past Python's own streams, from C code or other programs; False: no more."""
        try:
            data = os.read(fd, PIPE)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(fd)
        if self.running()[0] not in self.jobs:
            self.catch_up()  # it has just ended: then this is still its own
        job = self.jobs.get(self.running()[0], self.last)
        lines = self._raw_lines[name]
        for text in lines.feed(data) if data else lines.end():
            self._owner.said(self, job, Said(0, 0, 0, name, "", text))
        return bool(data)

    def _write(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
            return
        sent = 0
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sent = self._socket.send(data)
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(self._socket, self._write_on)

    def _write_on(self) -> None:
        data, self._unsent = self._unsent, b""
        self._loop.remove_writer(self._socket)
        self._write(data)

    # --- its end

    def _died(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.catch_up()
        code = self._popen.wait()
        self.killed = True
        running, since = self.running()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started must not outlive it
        self._drain_raw()
        self._close()
        if job := self.jobs.pop(running, None):
            verdict = self._verdict or Outcome("failed", error=_reason(code))
            self._owner.ended(self, job, Done(running, verdict.outcome, *_times(since), error=verdict.error))
        unstarted = list(self.jobs.values())
        self.jobs.clear()
        self.numbers.clear()
        self._owner.died(self, unstarted)

    def _drain_raw(self) -> None:
        for name in self._raw_lines:
            while self._raw(name, getattr(self._popen, name).fileno()):
                pass

    def _close(self) -> None:
        for pipe in (self._popen.stdout, self._popen.stderr, self._socket):
            if pipe is not None:
                self._loop.remove_reader(pipe)
                self._loop.remove_writer(pipe)
                pipe.close()
        os.close(self._pidfd)
        self._panel.close()


def _start(settings: Settings, connection: int, panel: int) -> subprocess.Popen[bytes]:
    arguments = (connection, panel, os.getpid(), settings.pipelines_dir, settings.output_limit, settings.result_limit)
    return subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-P", "-m", "streams.worker.child", *map(str, arguments)],
        pass_fds=(connection, panel),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _times(since: float) -> tuple[int, float]:
    """When it started (epoch milliseconds) and how long ago that was, from a monotonic time."""
    seconds = time.monotonic() - since
    return round((time.time() - seconds) * 1000), seconds


def _reason(code: int) -> str:
    if code >= 0:
        return f"the task ended its process with exit status {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = "; the machine may have run out of memory" if code == -signal.SIGKILL else ""
    return f"the task's process died of {name}{hint}"
