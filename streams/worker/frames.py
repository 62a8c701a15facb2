"""What a worker and its warm processes say to each other: length-prefixed msgpack on a socket pair."""

import socket
from struct import Struct as Packed
from types import UnionType
from typing import Generic, TypeVar

import msgspec

from streams.engine.records import Job

LENGTH = Packed("<I")


class Work(msgspec.Struct, frozen=True, array_like=True):
    """A job for a process. `number` counts what the process was given."""

    number: int
    job: Job


class Done(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A job has ended. Times: epoch milliseconds, and seconds it took."""

    number: int
    outcome: str
    started_at: int
    seconds: float
    result: bytes = b""
    error: str = ""
    cut: bool = False


class Said(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """A line of output. `place` counts the process's lines, so that one that comes twice is known."""

    number: int
    place: int
    at: int
    stream: str
    level: str
    text: str


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """The process has loaded the pipeline files and waits for work; `problems` are files that it could not load."""

    functions: int
    problems: tuple[str, ...] = ()


Answer = Done | Said | Hello
M = TypeVar("M")

encode = msgspec.msgpack.Encoder().encode


def frame(message: object) -> bytes:
    """A message as it travels."""
    body = encode(message)
    return LENGTH.pack(len(body)) + body


RECEIVE = memoryview(bytearray(256 * 1024))
"""Where what is received lies until it is read: a new place each time costs more than all that is done with it."""


def receive(connection: socket.socket) -> memoryview:
    """What has come, empty at the end of the stream; to be read before the next call."""
    return RECEIVE[: connection.recv_into(RECEIVE)]


class Frames(Generic[M]):
    """Puts the pieces of a stream together again."""

    def __init__(self, shape: "type[M] | UnionType") -> None:
        self._decode = msgspec.msgpack.Decoder(shape).decode
        self._rest = b""

    def feed(self, data: bytes | memoryview) -> list[M]:
        """The messages that are complete with `data`."""
        view = memoryview(self._rest + data if self._rest else data)
        at, end = 0, len(view)
        messages: list[M] = []
        while at + 4 <= end:
            after = at + 4 + LENGTH.unpack_from(view, at)[0]
            if after > end:
                break
            messages.append(self._decode(view[at + 4 : after]))
            at = after
        self._rest = bytes(view[at:])
        return messages
