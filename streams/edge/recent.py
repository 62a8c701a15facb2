"""The last steps of executions, so that a reader sees what has happened before ClickHouse does."""

from collections import deque
from collections.abc import Sequence

import msgspec

from streams.engine.events import Moved
from streams.engine.records import Execution

LIMIT = 64 * 1024 * 1024
"""Bytes of messages that are kept."""

_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_moved = msgspec.msgpack.Decoder(Moved).decode


class _Message:
    """A message of events: whoever asks for one of them soon asks for its neighbours."""

    __slots__ = ("_items", "_packed", "executions")

    def __init__(self, packed: bytes, executions: list[bytes]) -> None:
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
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._messages: deque[_Message] = deque()
        self._places: dict[bytes, list[tuple[_Message, int]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, packed: bytes, steps: Sequence[tuple[int, bytes]]) -> None:
        """Remember a message of events: the index of each step in it, and the execution that took it."""
        message = _Message(packed, [execution for _, execution in steps])
        for index, execution in steps:
            self._places.setdefault(execution, []).append((message, index))
        self._messages.append(message)
        self._size += len(message)
        while self._size > self._limit:
            self._forget(self._messages.popleft())

    def steps(self, execution: bytes) -> list[Moved]:
        """What is remembered of an execution, oldest first, each step once."""
        moves = [message.step(index) for message, index in self._places.get(execution, ())]
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

    def _forget(self, message: _Message) -> None:
        """Its steps are the first of their executions."""
        self._size -= len(message)
        for execution in message.executions:
            places = self._places[execution]
            del places[0]
            if not places:
                del self._places[execution]
