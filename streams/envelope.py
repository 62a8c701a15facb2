"""Envelopes: one Kafka message is a msgpack list of commands or events."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from streams.engine.commands import LaneMessage, ReadyCommand, TaskCommand, WorkerMessage
from streams.engine.events import LogLine, Notification, RecordedEvent
from streams.topics import ENVELOPE_BYTES

T = TypeVar("T")

HEAD = 5
"""Bytes with which a msgpack list of any length may begin."""

_encode_into = msgspec.msgpack.Encoder().encode_into


def pack(items: Iterable[msgspec.Struct | msgspec.Raw], limit: int = ENVELOPE_BYTES) -> Iterator[bytes]:
    """Envelopes of at most `limit` bytes, in order; an item that is larger has an envelope of its own."""
    envelope, count = bytearray(HEAD), 0
    for item in items:
        before = len(envelope)
        _encode_into(item, envelope, before)
        if len(envelope) > limit and count:
            yield _closed(envelope[:before], count)
            envelope, count = bytearray(HEAD) + envelope[before:], 0
        count += 1
    if count:
        yield _closed(envelope, count)


def _closed(envelope: bytearray, count: int) -> bytes:
    envelope[:HEAD] = b"\xdd" + count.to_bytes(4, "big")
    return bytes(envelope)


def reader(decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """A decoder that raises msgspec's DecodeError for text that is no UTF-8 too; msgspec raises Python's error."""

    def read(message: bytes) -> T:
        try:
            return decode(message)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"a text in it is not UTF-8: {error}") from None

    return read


task_commands = reader(msgspec.msgpack.Decoder(list[TaskCommand]).decode)
ready_commands = reader(msgspec.msgpack.Decoder(list[ReadyCommand]).decode)
lane_messages = reader(msgspec.msgpack.Decoder(list[LaneMessage]).decode)
worker_messages = reader(msgspec.msgpack.Decoder(list[WorkerMessage]).decode)
recorded_events = reader(msgspec.msgpack.Decoder(list[RecordedEvent]).decode)
log_lines = reader(msgspec.msgpack.Decoder(list[LogLine]).decode)
notifications = reader(msgspec.msgpack.Decoder(list[Notification]).decode)
