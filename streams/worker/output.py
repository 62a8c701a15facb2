"""Lines of output on their way to headrace.logs, in batches, while the attempts run."""

import asyncio
import contextlib
import time

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipelines.ids import home_of
from streams.engine.events import LogLine
from streams.engine.records import Job
from streams.envelope import pack
from streams.settings import Settings
from streams.topics import Topics
from streams.worker.outcomes import LINE_CHARACTERS, clean

_log = structlog.get_logger(__name__)

PENDING_LINES = 200_000
"""Lines that wait for the broker at most; while it is away longer than that, new ones are dropped and counted."""

PAUSE = 0.02
"""Seconds for which lines gather before the next envelope."""


class LogSender:
    """Sends lines by the partition of their execution's home."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._topic = Topics.under(settings.namespace).logs
        self._homes, self._partitions = settings.task_partitions, settings.event_partitions
        self._pending: list[LogLine] = []
        self._wake = asyncio.Event()
        self.dropped = 0

    def put(self, line: LogLine) -> None:
        """Send it soon."""
        if len(self._pending) >= PENDING_LINES:
            self.dropped += 1
            return
        self._pending.append(line)
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            await self.flush()
            await asyncio.sleep(PAUSE)

    async def flush(self) -> None:
        """Send what waits; where the broker refuses, it goes on waiting."""
        self._wake.clear()
        lines, self._pending = self._pending, []
        try:
            await self._send(lines)
        except KafkaError as error:
            _log.warning("output could not be sent yet", lines=len(lines), error=repr(error))
            self._pending[:0] = lines
            self._wake.set()
        self._report_dropped()

    async def _send(self, lines: list[LogLine]) -> None:
        placed: dict[int, list[LogLine]] = {}
        for line in lines:
            placed.setdefault(home_of(line.execution, self._homes) % self._partitions, []).append(line)
        await asyncio.gather(
            *[
                await self._producer.send(self._topic, data, partition=partition)
                for partition, together in placed.items()
                for data in pack(together)
            ]
        )

    def _report_dropped(self) -> None:
        if self.dropped:
            _log.warning("lines of output were dropped: the broker did not take them", lines=self.dropped)
            self.dropped = 0


class Output:
    """The output of one attempt: numbered lines, cut at `limit` bytes with a line that says so."""

    def __init__(self, sender: LogSender, job: Job, limit: int) -> None:
        self._sender, self._job, self._limit = sender, job, limit
        self._left = limit
        self._seq = 0
        self.cut = False

    def line(self, stream: str, text: str, level: str = "", at: int = 0) -> None:
        """Keep one line. `at` is epoch milliseconds, 0 for now."""
        if self.cut:
            return
        text = clean(text)
        self._left -= len(text.encode()) + 1
        if self._left < 0:
            self.cut = True
            stream, level, text = "log", "WARNING", f"the output was cut here: it is longer than {self._limit:,} bytes"
        self._put(stream, text, level, at)

    def note(self, text: str, level: str = "ERROR") -> None:
        """Add what the worker itself has to say; it is never cut."""
        self._put("log", clean(text), level, 0)

    def _put(self, stream: str, text: str, level: str, at: int) -> None:
        self._seq += 1
        job, at = self._job, at or round(time.time() * 1000)
        self._sender.put(LogLine(job.execution, job.number, self._seq, at, stream, level, text, job.worker))


class Lines:
    """Breaks a stream of bytes into lines of text."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete with `data`."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_CHARACTERS:
            whole.append(self._rest)
            self._rest = b""
        return [part for line in whole for part in _broken(line)]

    def end(self) -> list[str]:
        """What had no line end."""
        rest, self._rest = self._rest, b""
        return _broken(rest) if rest else []


class LastLine:
    """The last line with text in a stream of bytes, whole up to `limit` bytes, however long its lines are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line = bytearray()
        self._last = b""

    def feed(self, data: bytes) -> None:
        """Take what comes next."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(end)
            self._close()
        self._add(rest)

    def end(self) -> str:
        """The line; empty: there was none."""
        self._close()
        return self._last.decode(errors="backslashreplace").strip()

    def _add(self, part: bytes) -> None:
        self._line += part[: self._limit - len(self._line)]

    def _close(self) -> None:
        if text := bytes(self._line).strip():
            self._last = text
        self._line.clear()


def _broken(line: bytes) -> list[str]:
    text = line.decode(errors="backslashreplace").removesuffix("\r")
    return [text[at : at + LINE_CHARACTERS] for at in range(0, len(text) or 1, LINE_CHARACTERS)]


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is gone."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
