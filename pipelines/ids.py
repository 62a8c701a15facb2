"""Identities. An execution's id says where the execution lives, so nobody has to look it up."""

import hashlib
import uuid
import zlib
from typing import NewType

ExecutionId = NewType("ExecutionId", bytes)
"""16 bytes, a UUID of version 8 whose last two bytes are the home slot (big-endian)."""

SLOTS = 65_536


def slot_of(task: str) -> int:
    """The home slot of a task: all tasks of one pipeline (the part before the first dot) share it."""
    return zlib.crc32(task.partition(".")[0].encode()) % SLOTS


def execution_id(task: str, run: str, again: int = 0) -> ExecutionId:
    """The one id of `task` in `run`; `again` counts the manual retries of that execution.

    The id is a hash, so a repeated submission meets the first one instead of making a second.
    """
    name = f"{task}\0{run}\0{again}".encode()
    raw = bytearray(hashlib.blake2b(name, digest_size=14).digest())
    raw[6] = 0x80 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return ExecutionId(bytes(raw) + slot_of(task).to_bytes(2, "big"))


def home_of(execution: bytes, partitions: int) -> int:
    """The partition on which an execution lives."""
    return int.from_bytes(execution[14:16], "big") % partitions


def pipeline_of(task: str) -> str:
    """The pipeline that a task's id names; empty: none."""
    first, dot, _ = task.partition(".")
    return first if dot else ""


def home_of_task(task: str, partitions: int) -> int:
    """The partition on which a task's definition and its executions live."""
    return slot_of(task) % partitions


def to_text(execution: bytes) -> str:
    """An execution's id as people and JSON see it: the canonical UUID text."""
    return str(uuid.UUID(bytes=execution))


def from_text(text: str) -> ExecutionId:
    """Read an execution's id from UUID text. Raises ValueError that names the bad value."""
    try:
        return ExecutionId(uuid.UUID(text).bytes)
    except ValueError:
        raise ValueError(f"{text[:64]!r} is not an execution's id (a UUID is expected)") from None
