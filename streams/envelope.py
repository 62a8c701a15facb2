"""Envelopes: one Kafka message is a msgpack list of commands or events."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from streams.engine.commands import LaneMessage, ReadyCommand, TaskCommand, WorkerMessage
from streams.engine.events import LogLine, Notification, RecordedEvent
from streams.topics import ENVELOPE_BYTES

T = TypeVar("T")

PROBE = 32
"""Items whose size tells how many go into one envelope."""

_encode = msgspec.msgpack.Encoder().encode


def pack(items: Iterable[msgspec.Struct], limit: int = ENVELOPE_BYTES) -> Iterator[bytes]:
    """Envelopes of at most `limit` bytes, in order; an item that is larger has an envelope of its own."""
    together = list(items)
    share = len(together)
    if share > PROBE:  # what will not fit is not encoded twice
        share = max(min(share, limit * PROBE * 9 // (10 * len(_encode(together[:PROBE])))), 1)
    for start in range(0, len(together), share or 1):
        yield from _split(together[start : start + share], limit)


def _split(together: list[msgspec.Struct], limit: int) -> Iterator[bytes]:
    packed = _encode(together)
    if len(packed) <= limit or len(together) == 1:
        yield packed
    else:
        half = len(together) // 2
        yield from _split(together[:half], limit)
        yield from _split(together[half:], limit)


def _reader(decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """A decoder that raises msgspec's DecodeError for text that is no UTF-8 too; msgspec raises Python's error."""

    def read(message: bytes) -> T:
        try:
            return decode(message)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"a text in it is not UTF-8: {error}") from None

    return read


task_commands = _reader(msgspec.msgpack.Decoder(list[TaskCommand]).decode)
ready_commands = _reader(msgspec.msgpack.Decoder(list[ReadyCommand]).decode)
lane_messages = _reader(msgspec.msgpack.Decoder(list[LaneMessage]).decode)
worker_messages = _reader(msgspec.msgpack.Decoder(list[WorkerMessage]).decode)
recorded_events = _reader(msgspec.msgpack.Decoder(list[RecordedEvent]).decode)
log_lines = _reader(msgspec.msgpack.Decoder(list[LogLine]).decode)
notifications = _reader(msgspec.msgpack.Decoder(list[Notification]).decode)
