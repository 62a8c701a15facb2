"""Envelopes: one Kafka message is a msgpack list of commands or events."""

from collections.abc import Iterable, Iterator

import msgspec

from streams.engine.commands import LaneMessage, ReadyCommand, TaskCommand, WorkerMessage
from streams.engine.events import LogLine, Notification, RecordedEvent
from streams.topics import ENVELOPE_BYTES

_encode = msgspec.msgpack.Encoder().encode


def pack(items: Iterable[msgspec.Struct], limit: int = ENVELOPE_BYTES) -> Iterator[bytes]:
    """Envelopes of at most `limit` bytes, in order; an item that is larger has an envelope of its own."""
    waiting: list[msgspec.Raw] = []
    size = 0
    for item in items:
        packed = msgspec.Raw(_encode(item))
        if waiting and size + len(packed) > limit:
            yield _encode(waiting)
            waiting, size = [], 0
        waiting.append(packed)
        size += len(packed)
    if waiting:
        yield _encode(waiting)


task_commands = msgspec.msgpack.Decoder(list[TaskCommand]).decode
ready_commands = msgspec.msgpack.Decoder(list[ReadyCommand]).decode
lane_messages = msgspec.msgpack.Decoder(list[LaneMessage]).decode
worker_messages = msgspec.msgpack.Decoder(list[WorkerMessage]).decode
recorded_events = msgspec.msgpack.Decoder(list[RecordedEvent]).decode
log_lines = msgspec.msgpack.Decoder(list[LogLine]).decode
notifications = msgspec.msgpack.Decoder(list[Notification]).decode
