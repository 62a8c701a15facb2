"""Running a foreign program: its output as lines while it runs, its memory watched, nothing of it left alive."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

from streams.worker.memory_file import memory_file
from streams.worker.outcomes import KindError
from streams.worker.output import LastLine, Lines, Output

CHUNK = 64 * 1024
THROTTLE = 8_000_000
"""Bytes a second of output that nobody keeps any more: a flood must not drown the worker."""

WATCH = 0.25
"""Seconds between two looks at a program's memory."""


@dataclass
class Ran:
    """How it ended: exit status (negative: a signal's number), and the last line with text of each stream."""

    status: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str],
    output: Output,
    *,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    cwd: str | None = None,
    fds: Sequence[int] = (),
    memory: int,
    longest: int,
) -> Ran:
    """Run a program to its end. Cancelled, or over `memory` bytes, it is killed with all it started.

    `longest`: bytes of a last line that are wanted whole; of a longer one there are as many, and one more.
    """
    with memory_file(stdin) as source, _Pipe() as out, _Pipe() as err:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=source,
            stdout=out.end,
            stderr=err.end,
            env=env,
            cwd=cwd,
            pass_fds=tuple(fds),
            start_new_session=True,
        )
        try:
            async with asyncio.TaskGroup() as group:
                said = group.create_task(_lines(out, "stdout", output, longest))
                complained = group.create_task(_lines(err, "stderr", output, longest))
                watch = group.create_task(_watch(process.pid, memory))
                status = await process.wait()
                watch.cancel()
                _kill(process)  # what it left behind in its group
                out.finish()
                err.finish()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            _kill(process)
            await asyncio.shield(process.wait())
    return Ran(status, said.result(), complained.result())


class _Pipe:
    """A stream of output. A real pipe, which a program may open by name (/dev/stdout): uvloop's own are sockets."""

    def __init__(self) -> None:
        self._reader, self.end = os.pipe()
        self._finished, self._wake = False, asyncio.Event()

    def __enter__(self) -> Self:
        os.set_blocking(self._reader, False)
        os.fchmod(self.end, 0o666)  # a sandbox's program is somebody else
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        os.close(self.end)

    def finish(self) -> None:
        """The program has ended: what it wrote is here, and whoever else holds the other end is not waited for."""
        self._finished = True
        self._wake.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes, until it is finished and what was there by then is read."""
        while not self._finished:
            await self._readable()
            if data := self._read(CHUNK):
                yield data
        if data := self._read(fcntl.fcntl(self._reader, fcntl.F_GETPIPE_SZ)):
            yield data

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._reader, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            loop.remove_reader(self._reader)
        self._wake.clear()

    def _read(self, size: int) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._reader, size)
        return b""


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _lines(pipe: _Pipe, name: str, output: Output, longest: int) -> str:
    """Pass lines on; returns the last one with text."""
    lines, last = Lines(), LastLine(longest + 1)
    async for data in pipe.chunks():
        last.feed(data)
        for text in lines.feed(data):
            output.line(name, text)
        if output.cut:
            await asyncio.sleep(len(data) / THROTTLE)
    for text in lines.end():
        output.line(name, text)
    return last.end()


async def _watch(pid: int, limit: int) -> None:
    """Raise KindError when a program and all below it use more memory than `limit` bytes."""
    while True:
        await asyncio.sleep(WATCH)
        if (used := await asyncio.to_thread(_memory, pid, limit)) > limit:
            raise KindError(f"the task used {used // 2**20:,} MB of memory and its limit is {limit // 2**20:,} MB")


def _memory(pid: int, limit: int) -> int:
    """Bytes that a program and all below it use; pages they share are told apart only where it matters, as it costs."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        quick = sum(_used(process, "memory_info", "rss") for process in family)
        return quick if quick <= limit else sum(_used(process, "memory_full_info", "pss") for process in family)
    return 0


def _used(process: psutil.Process, figures: str, name: str) -> int:
    with contextlib.suppress(psutil.Error):
        return int(getattr(getattr(process, figures)(), name))
    return 0
