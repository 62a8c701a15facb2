"""The last steps of recent executions, so that a reader sees what has happened before ClickHouse does."""

from collections import OrderedDict

import msgspec

from streams.engine.events import Moved
from streams.engine.records import Execution

_decode = msgspec.msgpack.Decoder(Moved).decode


class Recent:
    """Steps (packed `Moved` events) by execution, within `limit` bytes; the longest untouched ones leave first."""

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._steps: OrderedDict[bytes, list[bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, execution: bytes, step: bytes) -> None:
        """Remember a step that has just arrived."""
        steps = self._steps.get(execution)
        if steps is None:
            self._steps[execution] = [step]
        else:
            steps.append(step)
            self._steps.move_to_end(execution)
        self._size += len(step)
        while self._size > self._limit:
            _, gone = self._steps.popitem(last=False)
            self._size -= sum(map(len, gone))

    def steps(self, execution: bytes) -> list[Moved]:
        """What is remembered of an execution, oldest first, each step once."""
        moved = {m.execution.version: m for m in map(_decode, self._steps.get(execution, ()))}
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
