"""What a process says about itself: a file when it is ready, and a word on the status topic once a second."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError

from pipelines.environment import READY_FILE
from streams.hearing import SILENCE

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two words."""

FAREWELL = 1.0
"""Seconds in which a broker may take the last one."""

_SINCE = round(time.time() * 1000)


def say_ready() -> None:
    """Tell the supervisor, if there is one, that this process is ready for work."""
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def word(role: str, **facts: object) -> tuple[bytes, bytes]:
    """Key and value of a role's word on the status topic. Times are epoch milliseconds; `since`: its process began."""
    host, pid = socket.gethostname(), os.getpid()
    name = f"{role}-{host}-{pid}"  # in containers all have the same pid
    value = {"role": role, "name": name, "at": round(time.time() * 1000), "since": _SINCE, "pid": pid, "host": host}
    value |= facts
    return f"role/{name}".encode(), msgspec.json.encode(value)


Teller = Callable[[bytes, bytes | None], Awaitable[object]]
"""Sends key and value to the status topic."""


async def pulse(role: str, send: Teller, facts: Callable[[], dict[str, object]]) -> None:
    """Say so once a second, for ever; the log tells when no broker takes a word, and when one does again."""
    while True:
        await _one_word(lambda: send(*word(role, **facts())))
        await asyncio.sleep(EVERY)


async def _one_word(send: Callable[[], Awaitable[object]]) -> None:
    """Try until a broker has it."""
    since, clock = time.monotonic(), time.strftime("%H:%M:%S")
    refusal: KafkaError | None = None

    def tell() -> None:
        why = f" ({refusal!r})" if refusal else ""
        log.warning("no Kafka broker has acknowledged this process's word since %s%s; it goes on trying", clock, why)

    telling = asyncio.get_running_loop().call_later(SILENCE, tell)
    try:
        while refusal := await _refusal(send()):  # noqa: ASYNC110  (it is the broker's)
            await asyncio.sleep(EVERY)
    finally:
        telling.cancel()
    if (silent := time.monotonic() - since) > SILENCE:
        log.warning("a Kafka broker acknowledges again, after %.0f s", silent)


async def _refusal(sending: Awaitable[object]) -> KafkaError | None:
    try:
        await sending
    except KafkaError as error:
        return error
    return None


async def leave(role: str, send: Teller) -> None:
    """Take the last word away, where this process ends in order: nobody is to miss it."""
    key, _ = word(role)
    with contextlib.suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(FAREWELL):
            await send(key, None)
