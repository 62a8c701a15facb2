"""A warm process: loads the pipeline files once and calls their functions, one after the other.

Started by the worker as `python -m streams.worker.child FD PANEL_FD PARENT PIPELINES_DIR OUTPUT_LIMIT RESULT_LIMIT`.
"""

import contextlib
import ctypes
import faulthandler
import gc
import heapq
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from pipelines.builtin import FUNCTIONS
from pipelines.loader import load_folder
from streams.worker.capture import Capture
from streams.worker.frames import Done, Frames, Hello, Work, frame, receive
from streams.worker.kinds.function import Functions
from streams.worker.outcomes import Outcome
from streams.worker.panel import ROOM, Panel

HOLD = 0.001
"""Seconds that answers are held back for company while more work waits."""


class Outbox:
    """Answers on their way: journalled on the panel at once, sent together. A function's own threads print here too."""

    def __init__(self, connection: socket.socket, panel: Panel) -> None:
        self._connection, self._panel = connection, panel
        self._sent_at = 0.0
        self._turn = threading.RLock()

    def put(self, data: bytes) -> None:
        """Journal a frame; a full journal is sent first."""
        with self._turn:
            if self._panel.used + len(data) > ROOM:
                self.flush()
            if len(data) > ROOM:
                self._connection.sendall(data)
            else:
                self._panel.append(data)

    def flush(self) -> None:
        """Send what is journalled."""
        with self._turn:
            if self._panel.used:
                self._connection.sendall(self._panel.journal())
                self._panel.empty()
            self._sent_at = time.monotonic()

    def flush_old(self, now: float) -> None:
        """Send, where the last sending was a moment ago."""
        if now - self._sent_at > HOLD:
            self.flush()


class Child:
    """The loop: what has arrived, the most critical first, one at a time."""

    def __init__(self, connection: socket.socket, panel: Panel, functions: Functions, output_limit: int) -> None:
        self._connection, self._panel, self._functions = connection, panel, functions
        self._outbox = Outbox(connection, panel)
        self._capture = Capture(self._outbox.put, self._outbox.flush_old, output_limit)
        self._frames: Frames[list[Work]] = Frames(list[Work])
        self._received = 0
        self._heap: list[tuple[int, int, int, Work]] = []
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def hello(self, hello: Hello) -> None:
        """Tell the worker that the files are loaded."""
        self._outbox.put(frame(hello))
        self._outbox.flush()
        self._capture.install()

    def serve(self) -> None:
        """Work until the worker closes the connection."""
        while self._fetch():
            while self._heap:
                self._run(heapq.heappop(self._heap)[3])
                if self._panel.sent != self._received:
                    self._fetch(wait=False)
            self._outbox.flush()

    def _fetch(self, *, wait: bool = True) -> bool:
        """Take in what has arrived; False when the worker is gone."""
        if not wait and not self._poll.poll(0):
            return True
        data = receive(self._connection)
        for works in self._frames.feed(data):
            self._received += 1
            for work in works:
                job = work.job
                heapq.heappush(self._heap, (9 - job.priority, job.deadline, work.number, work))
        return bool(data)

    def _run(self, work: Work) -> None:
        started_at, started = round(time.time() * 1000), time.monotonic()
        if started > self._panel.fence:
            self._wait_for_lease()
            started_at, started = round(time.time() * 1000), time.monotonic()
        if not self._panel.may_start(work.number, started):
            self._outbox.put(frame(Done(work.number, "returned", 0, 0.0)))
            return
        self._capture.begin(work.number)
        outcome = self._functions.run(work.job)
        if self._capture.forked:
            os._exit(0)  # a fork that came back from the function: only its parent answers
        cut = self._capture.end() or outcome.cut
        ended = time.monotonic()
        self._answer(work.number, started_at, ended - started, outcome, cut=cut)
        self._outbox.flush_old(ended)

    def _answer(self, number: int, started_at: int, seconds: float, outcome: Outcome, *, cut: bool) -> None:
        done = Done(number, outcome.outcome, started_at, seconds, outcome.result, outcome.error, cut)
        self._outbox.put(frame(done))
        self._panel.ended()

    def _wait_for_lease(self) -> None:
        """Nothing starts while the worker cannot know whether its jobs are still its own."""
        self._outbox.flush()
        while time.monotonic() > self._panel.fence:
            time.sleep(0.02)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the worker dies, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")  # rather this one than the worker


def main(arguments: list[str]) -> None:
    """Run one warm process until its worker is gone."""
    connection_fd, panel_fd, parent, folder, output_limit, result_limit = arguments
    _die_with(int(parent))
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which drains
    connection = socket.socket(fileno=int(connection_fd))
    for fd in (int(connection_fd), int(panel_fd)):
        os.set_inheritable(fd, False)
    registry = load_folder(Path(folder))
    broken = tuple(map(str, registry.errors))
    functions = Functions({**FUNCTIONS, **registry.functions}, int(result_limit), broken)
    child = Child(connection, Panel(int(panel_fd)), functions, int(output_limit))
    gc.freeze()
    child.hello(Hello(len(registry.functions), broken))
    with contextlib.suppress(ConnectionError):
        child.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
