"""Envelopes: one Kafka message is a msgpack list of commands or events."""

from collections.abc import Iterable, Iterator

import msgspec

from streams.engine.commands import LaneMessage, ReadyCommand, TaskCommand, WorkerMessage
from streams.engine.events import LogLine, Notification, RecordedEvent
from streams.topics import ENVELOPE_BYTES

_encode = msgspec.msgpack.Encoder().encode


def pack(items: Iterable[msgspec.Struct], limit: int = ENVELOPE_BYTES) -> Iterator[bytes]:
    """Envelopes of at most `limit` bytes, in order; an item that is larger has an envelope of its own."""
    together = list(items)
    if not together:
        return
    packed = _encode(together)
    if len(packed) <= limit or len(together) == 1:
        yield packed
        return
    share = -(-len(together) // (len(packed) // limit + 1))
    for start in range(0, len(together), share):
        yield from pack(together[start : start + share], limit)


task_commands = msgspec.msgpack.Decoder(list[TaskCommand]).decode
ready_commands = msgspec.msgpack.Decoder(list[ReadyCommand]).decode
lane_messages = msgspec.msgpack.Decoder(list[LaneMessage]).decode
worker_messages = msgspec.msgpack.Decoder(list[WorkerMessage]).decode
recorded_events = msgspec.msgpack.Decoder(list[RecordedEvent]).decode
log_lines = msgspec.msgpack.Decoder(list[LogLine]).decode
notifications = msgspec.msgpack.Decoder(list[Notification]).decode
