"""What a function prints and logs, line by line, inside its process."""

import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from streams.worker.frames import Said, frame
from streams.worker.outcomes import LINE_CHARACTERS, clean


class Capture:
    """Turns output into lines of the attempt that runs, and cuts it at `limit` bytes of an attempt."""

    def __init__(self, put: Callable[[bytes], None], flush_old: Callable[[float], None], limit: int) -> None:
        self._put, self._flush_old, self._limit = put, flush_old, limit
        self._lock = threading.RLock()  # a function's own threads print too
        self._number, self._place, self._left, self._cut = 0, 0, limit, False
        self._streams = (_Stream(self, "stdout"), _Stream(self, "stderr"))
        self.forked = False

    def install(self) -> None:
        """Take over sys.stdout, sys.stderr and the root logger; a fork of this process has its pipes instead."""
        os.register_at_fork(after_in_child=self._fork)
        sys.stdout, sys.stderr = self._streams
        logging.basicConfig(handlers=[_Handler(self)], level=logging.INFO, format="%(message)s", force=True)

    def begin(self, number: int) -> None:
        """Output belongs to this job from now on."""
        self._number, self._left, self._cut = number, self._limit, False

    def end(self) -> bool:
        """The job has ended; whether its output was cut."""
        for stream in self._streams:
            if stream.partial:
                stream.finish_line()
        return self._cut

    def line(self, stream: str, level: str, text: str) -> None:
        """One line of output."""
        if self.forked:
            os.write(1 if stream == "stdout" else 2, f"{text}\n".encode(errors="backslashreplace"))
            return
        with self._lock:
            if self._cut:
                return
            text = clean(text)
            self._left -= (len(text) if text.isascii() else len(text.encode())) + 1
            if self._left < 0:
                self._cut = True
                stream, level, text = (
                    "log",
                    "WARNING",
                    f"the output was cut here: it is longer than {self._limit:,} bytes",
                )
            self._place += 1
            now = time.time()
            self._put(frame(Said(self._number, self._place, round(now * 1000), stream, level, text)))
            self._flush_old(time.monotonic())

    def _fork(self) -> None:
        """A fork has neither journal nor connection, and what was begun to be said is its parent's."""
        self.forked = True
        for stream in self._streams:
            stream.partial = ""


class _Stream(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, capture: Capture, name: str) -> None:
        self._capture, self._name = capture, name
        self.partial = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self.partial = (self.partial + text).split("\n")
        for line in lines:
            self._say(line)
        if len(self.partial) > LINE_CHARACTERS:
            self.finish_line()
        return len(text)

    def flush(self) -> None:
        """A fork says what it has before it ends; otherwise a line stays whole."""
        if self._capture.forked and self.partial:
            self.finish_line()

    def finish_line(self) -> None:
        """Say what has no line end yet."""
        text, self.partial = self.partial, ""
        self._say(text)

    def _say(self, line: str) -> None:
        for at in range(0, len(line) or 1, LINE_CHARACTERS):
            self._capture.line(self._name, "", line[at : at + LINE_CHARACTERS])


class _Handler(logging.Handler):
    """What is logged, with its level."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for line in self.format(record).splitlines() or [""]:
                for at in range(0, len(line) or 1, LINE_CHARACTERS):
                    self._capture.line("log", record.levelname, line[at : at + LINE_CHARACTERS])
        except Exception:  # noqa: BLE001  (a log call with wrong arguments must not end the task)
            self.handleError(record)
