"""Running a foreign program: its output as lines while it runs, its memory watched, nothing of it left alive."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

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
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        pass_fds=tuple(fds),
        start_new_session=True,
    )
    try:
        async with asyncio.TaskGroup() as group:
            out = group.create_task(_lines(process.stdout, "stdout", output, longest))
            err = group.create_task(_lines(process.stderr, "stderr", output, longest))
            group.create_task(_feed(process.stdin, stdin))
            watch = group.create_task(_watch(process.pid, memory))
            status = await process.wait()
            watch.cancel()
            _kill(process)  # what it left behind in its group, which may hold its output open
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        _kill(process)
        await asyncio.shield(process.wait())
    return Ran(status, out.result(), err.result())


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _feed(pipe: asyncio.StreamWriter | None, data: bytes) -> None:
    if pipe is None or pipe.is_closing():  # it has ended already
        return
    with contextlib.suppress(ConnectionError):  # it does not read its input, which is its own affair
        pipe.write(data)
        await pipe.drain()
        pipe.close()


async def _lines(pipe: asyncio.StreamReader | None, name: str, output: Output, longest: int) -> str:
    """Pass lines on; returns the last one with text."""
    lines, last = Lines(), LastLine(longest + 1)
    while pipe is not None and (data := await pipe.read(CHUNK)):
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
