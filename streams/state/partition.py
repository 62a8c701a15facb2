"""The port of one table partition, and the rules that every implementation of it keeps."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, Protocol

from streams.topics import MESSAGE_LIMIT

Change = tuple[bytes, bytes | None]
"""A key and its new value; None takes the key away."""


@dataclass(frozen=True, slots=True)
class Derive:
    """Secondary keys: `derive(key, old value, new value)` says what one change of a record means to them."""

    follow: Callable[[bytes, bytes | None, bytes | None], list[Change]]
    sources: bytes
    """First bytes of the keys of those records, in any order; nothing follows from any other."""
    derived: bytes
    """First bytes of the keys that follow; no record has one of these."""
    layout: int = 1
    """Which version of the rule this is: where a folder has another one's keys, they are derived anew."""

    def __call__(self, key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
        """The changes of secondary keys."""
        return self.follow(key, old, new) if key[0] in self.sources else []


class Changes(NamedTuple):
    """What a commit makes durable: records, which go into the changelog too, and keys derived from them."""

    records: list[Change]
    derived: list[Change]
    fresh: AbstractSet[bytes] = frozenset()
    """Keys of either that are surely not in the table yet: taken away soon, they never meet the disk."""


NO_MARKER = -1
"""The marker of a partition that has applied no input yet."""

RECORD_OVERHEAD = 32
"""More bytes than Kafka's record format adds to a key and a value."""

BATCH_BYTES = MESSAGE_LIMIT - 64 * 1024
"""The largest commit, keys and values and `RECORD_OVERHEAD` each; the rest is left for the batch's own header."""


_KEY, _VALUE = itemgetter(0), itemgetter(1)


class StateError(Exception):
    """A table cannot do what was asked, or must not."""


class BatchTooLargeError(StateError):
    """A commit is larger than one record batch, which alone is appended whole or not at all."""


class ClosedError(StateError):
    """The partition was closed: it belongs to another process, or will be opened anew."""


class Partition(Protocol):
    """One active partition of a table: bytes keys in order. Keys begin with a printable character."""

    number: int
    """Its number, the same as that of its input's partition."""

    marker: int
    """The offset of the last input whose effect is in the table; -1 is none."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order."""
        ...

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` pairs in the order of their keys, from `start` on, before `end`."""
        ...

    async def commit(self, changes: Changes, marker: int) -> None:
        """Make changes durable: records and `marker` in the changelog, then these and derived keys in the store.

        A tick commits with the marker as it is. Raises BatchTooLargeError and changes nothing where the records
        pass `BATCH_BYTES`; ClosedError after the partition has been given up.
        """
        ...


def batch_bytes(changes: Sequence[Change]) -> int:
    """How much of `BATCH_BYTES` a commit of `changes` takes."""
    keys, values = map(_KEY, changes), filter(None, map(_VALUE, changes))
    return sum(map(len, keys)) + sum(map(len, values)) + RECORD_OVERHEAD * len(changes)


def check_commit(current: int, changes: Changes, marker: int) -> None:
    """Refuse what no partition may commit. Raises BatchTooLargeError, or ValueError for bad keys and markers."""
    if marker < current:
        raise ValueError(f"marker {marker} is behind {current}: inputs are applied in order, once")
    least = min(map(_KEY, chain(changes.records, changes.derived)), default=b"!")
    if least < b"!":
        raise ValueError(f"key {least[:32]!r} is reserved: a table's keys begin with a printable character")
    if (size := batch_bytes(changes.records)) > BATCH_BYTES:
        count = len(changes.records)
        raise BatchTooLargeError(f"{count} changes of {size} bytes: at most {BATCH_BYTES}; split the input")
