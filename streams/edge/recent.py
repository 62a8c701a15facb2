"""The last steps of executions, so that a reader sees what has happened before ClickHouse does."""

from collections.abc import Sequence

import msgspec

from streams.engine.events import Moved
from streams.engine.records import Execution

LIMIT = 64 * 1024 * 1024
"""Bytes of messages that are kept."""

INDEX_BITS = 32
INDEX = (1 << INDEX_BITS) - 1
"""The bits of a place that say which of its message's events it is: more than a message has bytes."""

_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_moved = msgspec.msgpack.Decoder(Moved).decode


class _Message:
    """A message of events: whoever asks for one of them soon asks for its neighbours."""

    __slots__ = ("_items", "_packed", "executions")

    def __init__(self, packed: bytes, executions: tuple[bytes, ...]) -> None:
        self._packed = packed
        self._items: list[msgspec.Raw] | None = None  # parts of `_packed`
        self.executions = executions

    def __len__(self) -> int:
        return len(self._packed)

    def step(self, index: int) -> Moved:
        """The event at a place."""
        if self._items is None:
            self._items = _items(self._packed)
        return _moved(self._items[index])


class Recent:
    """Messages as they came, within `limit` bytes, and where in them the steps of each execution are.

    A step is taken out of its message when somebody asks for it: hardly any ever is. The oldest messages leave first.
    A place is a number, and several of them a tuple of numbers: of these, unlike lists, the collector keeps no account.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._next = 0
        self._messages: dict[int, _Message] = {}  # by their numbers, which have no gaps
        self._places: dict[bytes, int | tuple[int, ...]] = {}

    def add(self, packed: bytes, executions: Sequence[bytes]) -> None:
        """Remember a message of events. `executions`: whose step each of them is, empty for what is none."""
        number, self._next = self._next, self._next + 1
        places = self._places
        for place, execution in enumerate(executions, number << INDEX_BITS):
            if execution:
                before = places.get(execution)
                places[execution] = place if before is None else (*_numbers(before), place)
        self._messages[number] = message = _Message(packed, tuple(executions))
        self._size += len(message)
        while self._size > self._limit:
            self._forget(self._next - len(self._messages))

    def steps(self, execution: bytes) -> list[Moved]:
        """What is remembered of an execution, oldest first, each step once."""
        places = _numbers(self._places.get(execution, ()))
        moves = [self._messages[place >> INDEX_BITS].step(place & INDEX) for place in places]
        moved = {move.execution.version: move for move in moves}
        return [moved[version] for version in sorted(moved)]

    def last(self, execution: bytes) -> Moved | None:
        """The newest step of an execution."""
        steps = self.steps(execution)
        return steps[-1] if steps else None

    def record(self, execution: bytes) -> Execution | None:
        """The newest record of an execution."""
        last = self.last(execution)
        return last.execution if last else None

    def ending_with(self, tail: bytes) -> list[bytes]:
        """The executions whose id ends with `tail`."""
        return [execution for execution in self._places if execution.endswith(tail)]

    def _forget(self, number: int) -> None:
        """Its steps are the first of their executions."""
        message = self._messages.pop(number)
        self._size -= len(message)
        for execution in filter(None, message.executions):
            if rest := _numbers(self._places[execution])[1:]:
                self._places[execution] = rest
            else:
                del self._places[execution]


def _numbers(places: int | tuple[int, ...]) -> tuple[int, ...]:
    return places if isinstance(places, tuple) else (places,)
