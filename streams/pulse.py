"""What a process says about itself: a file when it is ready, and a word on the status topic once a second."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError

from pipelines.environment import READY_FILE

EVERY = 1.0
"""Seconds between two words."""


def say_ready() -> None:
    """Tell the supervisor, if there is one, that this process is ready for work."""
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def word(role: str, **facts: object) -> tuple[bytes, bytes]:
    """Key and value of a role's word on the status topic. Times are epoch milliseconds."""
    host, pid = socket.gethostname(), os.getpid()
    name = f"{role}-{host}-{pid}"  # in containers all have the same pid
    value = {"role": role, "name": name, "at": round(time.time() * 1000), "pid": pid, "host": host, **facts}
    return f"role/{name}".encode(), msgspec.json.encode(value)


async def pulse(
    role: str, send: Callable[[bytes, bytes], Awaitable[object]], facts: Callable[[], dict[str, object]]
) -> None:
    """Say so once a second, for ever. `send` takes key and value; while no broker takes a word, it is left out."""
    while True:
        with contextlib.suppress(KafkaError):
            await send(*word(role, **facts()))
        await asyncio.sleep(EVERY)
