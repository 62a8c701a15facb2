"""Snippets of Python. They see `payload` and `inputs`, and what they assign to `result` is their value."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

import streams.worker
from streams.settings import Settings
from streams.worker.kinds.base import Attempt
from streams.worker.kinds.code import MARK, CodeRunner, about
from streams.worker.outcomes import ERROR_CHARACTERS, KindError, Outcome, SkippedError, clean, sized
from streams.worker.sandbox import Program

SNIPPET = Path(streams.worker.__file__).with_name("snippet.py")
ROOM = 16 * 1024
"""Bytes that an answer may have besides its result."""


class PythonKind:
    """Runs each snippet in a fresh interpreter."""

    def __init__(self, settings: Settings, runner: CodeRunner) -> None:
        self._limit, self._runner = settings.result_limit, runner

    async def run(self, attempt: Attempt) -> Outcome:
        """Run a snippet."""
        job = attempt.job
        task = {"code": attempt.call["code"], "payload": attempt.payload, "inputs": dict(attempt.inputs)}
        async with _answers(2 * self._limit + ROOM) as (pipe, answer):
            fd = pipe.fileno()
            program = Program(
                argv=[sys.executable, "-I", "-B", "-X", "utf8", f"{MARK}/snippet.py", str(fd)],
                env={**about(job), "PYTHONUNBUFFERED": "1"},
                timeout=job.timeout,
                data={"snippet.py": SNIPPET.read_bytes()},
                fds=[fd],
            )
            ran = await self._runner.run(program, attempt.output, msgspec.json.encode(task))
            pipe.shutdown(socket.SHUT_WR)  # whoever else holds this end was left behind
            said = await answer
        if not said:
            raise KindError(_silent(ran.status, ran.stderr))
        return self._outcome(said)

    async def close(self) -> None:
        """Nothing is shared between snippets."""

    def _outcome(self, said: bytes) -> Outcome:
        try:
            answer: dict[str, Any] = msgspec.json.decode(said)
        except msgspec.DecodeError:
            size = f"at least {len(said):,} bytes" if len(said) > self._limit else "no JSON"
            raise KindError(f"the result is {size} as JSON and the limit is {self._limit:,}") from None
        error = clean(str(answer.get("error", "")))[:ERROR_CHARACTERS]
        if answer.get("outcome") == "skipped":
            raise SkippedError(error)
        if answer.get("outcome") != "succeeded":
            raise KindError(error)
        if answer.get("result") is None:
            return Outcome("succeeded")
        return sized(msgspec.json.encode(answer["result"]), self._limit)


def _silent(status: int, stderr: str) -> str:
    """Why a snippet gave no answer."""
    if status < 0 or status > 128:  # noqa: PLR2004  (how shells and bubblewrap report signals)
        return f"the snippet's process died of signal {-status if status < 0 else status - 128}"
    return f"the snippet's process ended with exit status {status}: {stderr}".rstrip(": ")[:ERROR_CHARACTERS]


@asynccontextmanager
async def _answers(limit: int) -> AsyncIterator[tuple[socket.socket, asyncio.Task[bytes]]]:
    """A one-way connection for the answer, read while the snippet runs; what is longer than `limit` is cut.

    Yields the end to write to, to be shut down once the snippet has ended, and the task that reads the other one.

    A socket, since uvloop closes the descriptor of a file twice: in between it may be another thread's.
    """
    ours, theirs = socket.socketpair()
    ours.shutdown(socket.SHUT_WR)
    with theirs as pipe:  # an object knows that it was closed; a number may be another one's by then
        stream = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(stream)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, ours)
        reading = asyncio.create_task(_read(stream, transport, limit))
        try:
            yield pipe, reading
        finally:
            reading.cancel()
            transport.close()


async def _read(stream: asyncio.StreamReader, transport: asyncio.ReadTransport, limit: int) -> bytes:
    """What comes, up to `limit` bytes; then nobody listens any more, and whoever writes on is told so."""
    data = b""
    while len(data) < limit and (more := await stream.read(limit - len(data))):
        data += more
    transport.close()
    return data
