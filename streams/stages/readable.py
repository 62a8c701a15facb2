"""A command as JSON for people: what its dead letter shows of it."""

from typing import Any

import msgspec

from pipelines.ids import to_text
from streams.engine.commands import TaskCommand

JSON_ALREADY = frozenset({"call", "payload", "result"})
"""Fields that hold JSON as bytes; all other bytes are the ids of executions."""

ID_BYTES = 16


def readable(command: TaskCommand) -> bytes:
    """Its name and the fields that say something: ids as text, payloads as their JSON, times in epoch milliseconds."""
    return msgspec.json.encode({"command": type(command).__name__, **_fields(command)})


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    given = ((f.name, getattr(struct, f.name), f.default) for f in msgspec.structs.fields(struct))
    return {name: _value(name, value) for name, value, default in given if value != default}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        if name in JSON_ALREADY:
            return msgspec.Raw(value or b"null")
        return to_text(value) if len(value) == ID_BYTES else value.hex()
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    return [_value(name, one) for one in value] if isinstance(value, tuple) else value
