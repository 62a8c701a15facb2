"""What headrace.events told lately, so that a reader sees what has happened before ClickHouse does.

Nearly nobody asks: messages are kept as they come, and taken apart when somebody does.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import TypeVar, get_args

import msgspec
import structlog
from msgspec import Raw, Struct

from streams.engine.events import Moved, PipelineCreated, TaskCreated, TaskDeleted
from streams.engine.records import Execution

NAMES_KEPT = 10_000

AT_ONCE = 100
"""Steps that are taken apart before others go on."""

T = TypeVar("T")

UNREADABLE = (msgspec.MsgspecError, ValueError)
"""Errors of a message that is none of ours; text that is no UTF-8 is not msgspec's own."""

log = structlog.get_logger(__name__)


class _Head(Struct, array_like=True):
    """The first fields of an Execution; the rest is not decoded until somebody asks."""

    id: bytes
    task: str
    run: str
    kind: str
    state: str


class Step(Struct, array_like=True, tag="mv"):
    """The first fields of a Moved."""

    what: str
    at: int
    execution: _Head


Definition = TaskCreated | TaskDeleted | PipelineCreated
Told = Step | Definition

_DEFINING = tuple(f"\xa2{kind.__struct_config__.tag}".encode("latin-1") for kind in get_args(Definition))
"""Bytes that stand in every message with a definition, and hardly in any other."""

_items = msgspec.msgpack.Decoder(list[Raw]).decode
_item = msgspec.msgpack.Decoder(Told).decode
_whole = msgspec.msgpack.Decoder(Moved).decode


def told(message: bytes) -> Iterator[tuple[Told, bytes]]:
    """What a message says, each with its bytes. Raises UNREADABLE."""
    for raw in _items(message):
        packed = bytes(raw)
        yield _item(packed), packed


class Recent:
    """Steps (packed `Moved` events) by execution, as of the last `read`, and definitions by name.

    Messages and steps are kept within `limit` bytes; the longest untouched ones leave first.
    """

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self.tasks: OrderedDict[str, TaskCreated | TaskDeleted] = OrderedDict()
        self.pipelines: OrderedDict[str, PipelineCreated] = OrderedDict()
        self._limit = limit
        self._size = 0
        self._unread: deque[bytes] = deque()
        self._steps: OrderedDict[bytes, list[bytes]] = OrderedDict()

    def add(self, message: bytes) -> None:
        """Remember a message that has just arrived; what it defines, which is rare, at once. Raises UNREADABLE."""
        if any(tag in message for tag in _DEFINING):
            for one, _ in told(message):
                self._define(one)
        self._unread.append(message)
        self._size += len(message)
        self._bound()

    def take(self, one: Told, packed: bytes) -> None:
        """Remember a part of a message that somebody has taken apart."""
        if isinstance(one, Step):
            self._add_step(one.execution.id, packed)
        else:
            self._define(one)

    async def read(self) -> None:
        """Take apart what has come; others go on in between."""
        while self._unread:
            message = self._unread.popleft()
            self._size -= len(message)
            try:
                for count, (one, packed) in enumerate(told(message), 1):
                    if isinstance(one, Step):
                        self._add_step(one.execution.id, packed)
                    if count % AT_ONCE == 0:
                        await asyncio.sleep(0)
            except UNREADABLE as error:
                log.warning("skipped an event that cannot be read", error=str(error))
            await asyncio.sleep(0)

    def steps(self, execution: bytes) -> list[Moved]:
        """What is remembered of an execution, oldest first, each step once."""
        moved = {m.execution.version: m for m in map(_whole, self._steps.get(execution, ()))}
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
        return [execution for execution in self._steps if execution.endswith(tail)]

    def _define(self, one: Told) -> None:
        match one:
            case PipelineCreated():
                _keep(self.pipelines, one.id, one)
            case TaskCreated():
                _keep(self.tasks, one.task.id, one)
            case TaskDeleted():
                _keep(self.tasks, one.task, one)

    def _add_step(self, execution: bytes, step: bytes) -> None:
        steps = self._steps.setdefault(execution, [])
        steps.append(step)
        self._steps.move_to_end(execution)
        self._size += len(step)
        self._bound()

    def _bound(self) -> None:
        while self._size > self._limit:
            gone = self._steps.popitem(last=False)[1] if self._steps else [self._unread.popleft()]
            self._size -= sum(map(len, gone))


def _keep(kept: OrderedDict[str, T], name: str, value: T) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > NAMES_KEPT:
        kept.popitem(last=False)
