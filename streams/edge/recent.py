"""The newest events, so that a reader sees what has happened before ClickHouse does."""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

import msgspec
import structlog
from msgspec import Struct

from streams.edge.newest import Newest
from streams.engine.events import Moved, PipelineCreated, TaskCreated, TaskDeleted
from streams.engine.records import Execution
from streams.envelope import reader

LIMIT = 64 * 1024 * 1024
"""Bytes of messages that are kept."""

NAMES_KEPT = 10_000
"""Definitions that are kept, of tasks and of pipelines."""

INDEX_BITS = 32
INDEX = (1 << INDEX_BITS) - 1
"""The bits of a place that say which of its message's events it is: more than a message has bytes."""


class _Head(Struct, array_like=True, gc=False):
    """The first fields of an Execution; the rest is not decoded until somebody asks."""

    id: bytes
    task: str
    run: str
    kind: str
    state: str


class StepHead(Struct, array_like=True, tag="mv", gc=False):
    """The first fields of a Moved."""

    what: str
    at: int
    execution: _Head


Definition = TaskCreated | TaskDeleted | PipelineCreated

heads = reader(msgspec.msgpack.Decoder(list[StepHead | Definition]).decode)
"""What is quickly told of a message of events. Raises msgspec's DecodeError where it is none."""

_may_define = re.compile(rb"\xa2(?:tc|td|pc)").search
"""Whether a message may hold a definition: their tags as MessagePack writes them, or bytes that look like one."""

_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_moved = reader(msgspec.msgpack.Decoder(Moved).decode)

log = structlog.get_logger(__name__)


class _Message:
    """A message of events: whoever asks for one of them soon asks for its neighbours."""

    __slots__ = ("_items", "executions", "packed")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self._items: list[msgspec.Raw] | None = None  # parts of `packed`
        self.executions: tuple[bytes, ...] | None = None  # whose step each event is, empty for none; none: not noted

    def step(self, index: int) -> Moved:
        """The event at a place."""
        if self._items is None:
            self._items = _items(self.packed)
        return _moved(self._items[index])


class Recent:
    """Messages as they came, within `limit` bytes, the oldest of which leave first; and the newest definitions.

    Where the steps of each execution are is noted when somebody asks for something, and never if nobody does before
    they leave. A step is taken out of its message when it is asked for itself: hardly any ever is. A place is a number,
    and several of them a tuple of numbers: of these, unlike lists, the collector keeps no account.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._next = 0
        self._messages: dict[int, _Message] = {}  # by their numbers, which have no gaps; those noted come first
        self._places: dict[bytes, int | tuple[int, ...]] = {}
        self._tasks = Newest[str, TaskCreated | TaskDeleted](NAMES_KEPT)
        self._pipelines = Newest[str, PipelineCreated](NAMES_KEPT)

    def add(self, packed: bytes) -> None:
        """Remember a message of events. Raises msgspec's DecodeError where it seems to define something and is none."""
        self._messages[self._next] = _Message(packed)
        self._next += 1
        self._size += len(packed)
        while self._size > self._limit:
            self._forget(self._next - len(self._messages))
        if _may_define(packed):
            self._define(packed)

    def steps(self, execution: bytes) -> list[Moved]:
        """What is remembered of an execution, of its newest life alone: oldest first, each step once."""
        self._note_all()
        found = [*self._found(_numbers(self._places.get(execution, ())))]
        newest = max(found, key=lambda move: move.at, default=None)
        life = [move for move in found if newest and move.execution.created_at == newest.execution.created_at]
        moved = {move.execution.version: move for move in life}
        return [moved[version] for version in sorted(moved)]

    def _found(self, places: Iterable[int]) -> Iterator[Moved]:
        for place in places:
            try:
                move = self._messages[place >> INDEX_BITS].step(place & INDEX)
            except msgspec.DecodeError as error:
                log.warning("a step cannot be read", error=str(error))
            else:
                yield move

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
        self._note_all()
        return [execution for execution in self._places if execution.endswith(tail)]

    def task(self, task: str) -> TaskCreated | TaskDeleted | None:
        """What was last said of a task's definition."""
        return self._tasks.get(task)

    def pipeline(self, pipeline: str) -> PipelineCreated | None:
        """The newest definition of a pipeline."""
        return self._pipelines.get(pipeline)

    def _define(self, packed: bytes) -> None:
        for head in heads(packed):
            if isinstance(head, PipelineCreated):
                self._pipelines.put(head.id, head)
            elif not isinstance(head, StepHead):
                self._tasks.put(head.task.id if isinstance(head, TaskCreated) else head.task, head)

    def _note_all(self) -> None:
        """Note what has come since the last time."""
        newest_first = zip(reversed(self._messages), reversed(self._messages.values()), strict=True)
        new = [*takewhile(lambda one: one[1].executions is None, newest_first)]
        for number, message in reversed(new):
            message.executions = ()  # whatever is wrong with it is met once
            message.executions = self._noted(number, message.packed)

    def _noted(self, number: int, packed: bytes) -> tuple[bytes, ...]:
        """Note the steps of a message; whose each of them is."""
        try:
            executions = tuple(head.execution.id if isinstance(head, StepHead) else b"" for head in heads(packed))
        except msgspec.DecodeError as error:
            log.warning("a message of events cannot be read", error=str(error))
            return ()
        places = self._places
        for place, execution in enumerate(executions, number << INDEX_BITS):
            if execution:
                before = places.get(execution)
                places[execution] = place if before is None else (*_numbers(before), place)
        return executions

    def _forget(self, number: int) -> None:
        """Its steps, where they are noted, are the first of their executions."""
        message = self._messages.pop(number)
        self._size -= len(message.packed)
        for execution in filter(None, message.executions or ()):
            if rest := _numbers(self._places[execution])[1:]:
                self._places[execution] = rest
            else:
                del self._places[execution]


def _numbers(places: int | tuple[int, ...]) -> tuple[int, ...]:
    return places if isinstance(places, tuple) else (places,)
