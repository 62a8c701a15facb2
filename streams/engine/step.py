"""One command's step through the engine: what it emits is applied at once, so that what follows sees it."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from msgspec.structs import force_setattr, replace

from pipelines.ids import home_of
from streams.engine.apply import apply
from streams.engine.commands import (
    Cancel,
    Finish,
    Retry,
    Tell,
    Unwatch,
    UpstreamFinished,
    WorkerLost,
)
from streams.engine.events import Event, Moved, TakenBack, WatchEnded
from streams.engine.records import TERMINAL, Execution, State
from streams.engine.rejections import Rejection
from streams.engine.timers import wake_time
from streams.engine.view import Table

STEP_LIMIT = 4 * 1024 * 1024
"""Bytes of changed records after which a step leaves what follows to commands of its own."""

Sent = UpstreamFinished | Unwatch | WorkerLost | Tell
"""Commands to other partitions, or to one's own: the rest of a step that would be too large for one commit."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Where the engine runs: which partition of how many, and how long it remembers (milliseconds)."""

    number: int
    count: int
    keep_finished: int = 3_600_000
    remember_done: int = 604_800_000

    @property
    def alone(self) -> bool:
        """Whether all executions live here: then so do all who can stand in a line."""
        return self.count == 1

    def is_home_of(self, execution: bytes) -> bool:
        """Whether an execution lives here."""
        return home_of(execution, self.count) == self.number


ROOM = 1 << 10
"""Places between two commands of a message: for a thousand executions that the first one lets into line."""


def position_of(offset: int) -> int:
    """The place of a message's first command in its partition's log."""
    return offset << 24


class Step:
    """Collects events and rejections; `now` is the log's time of the command, in epoch milliseconds."""

    __slots__ = ("_arrival", "_begun_at", "_ended", "_sent", "now", "out", "partition", "table")

    def __init__(self, table: Table, partition: Partition, now: int, position: int = 0) -> None:
        self._arrival = position
        self.table = table
        self.partition = partition
        self.now = now
        self.out: list[Event | Rejection | Sent] = []
        self._begun_at = table.written
        self._sent = 0
        self._ended: deque[bytes] | None = None

    def emit(self, event: Event) -> None:
        """Let something have happened."""
        apply(self.table, event)
        self.out.append(event)

    def reject(self, reason: str, execution: bytes = b"") -> None:
        """Refuse the command with a sentence for people: it becomes a dead letter."""
        self.out.append(Rejection(reason, execution=execution))

    def stale(self, reason: str, execution: bytes = b"") -> None:
        """Drop the command: it came late or twice, and nobody did wrong."""
        self.out.append(Rejection(reason, stale=True, execution=execution))

    def unknown(self, command: Cancel | Retry | Finish) -> None:
        """Refuse a command about an execution that is not here, and say what is still known of it."""
        mark = self.table.mark(command.id)
        if mark is None:
            what = f"execution of {command.about}" if command.about else "such execution"
            return self.reject(f"no {what}, or it ended too long ago", command.id)
        how = f"{command.about or 'it'} ended as {mark.state} more than {self.partition.keep_finished / 1000:g} s ago"
        return self.reject(f"{how}, and nothing more is kept of it: execute the task again in another run", command.id)

    def send(self, command: Sent, weight: int = 0) -> None:
        """Send a command to its home, of so many bytes that others gave it."""
        self._sent += weight
        self.out.append(command)

    def take_back(self, worker: str) -> None:
        """Void what is left of a worker's loan."""
        loan = self.table.loan(worker)
        if loan and loan.left:
            self.emit(TakenBack(loan))

    @property
    def full(self) -> bool:
        """Whether what else follows is to be left to later commands."""
        return self.table.written - self._begun_at + self._sent > STEP_LIMIT

    def create(self, record: Execution, call: bytes, payload: bytes) -> Execution:
        """Let an execution begin to exist, in whatever state it has."""
        record = self._settled(record, entered=record.state == State.WAITING)
        self.emit(Moved("created", self.now, record, call=call, payload=payload))
        if record.state in TERMINAL:
            self._end(record)
        return record

    def move(
        self,
        record: Execution,
        what: str,
        *,
        result: bytes = b"",
        cut: bool = False,
        lost: bool = False,
        **changes: Any,
    ) -> Execution:
        """Let an execution take a step. A terminal state is never left."""
        if record.state in TERMINAL and changes.get("state", record.state) != record.state:
            raise AssertionError(f"{record.state} is terminal; {what} cannot leave it")
        new = replace(record, version=record.version + 1, **changes)
        new = self._settled(new, entered=new.state == State.WAITING != record.state)
        self.emit(Moved(what, self.now, new, result, cut, lost=lost))
        if new.state in TERMINAL and record.state not in TERMINAL:
            self._end(new)
        return new

    @property
    def ended_some(self) -> bool:
        """Whether something ended in this step for which others wait."""
        return bool(self._ended)

    def ended(self) -> bytes | None:
        """The next one that ended in this step, and for which others wait; none: all of them were taken."""
        return self._ended.popleft() if self._ended else None

    def _settled(self, record: Execution, *, entered: bool) -> Execution:
        """With its timer set, and its place if it `entered` the line: in place, since nobody else knows it yet."""
        force_setattr(record, "wake_at", wake_time(record, self.partition.keep_finished))
        if entered:
            self._arrival += 1
            force_setattr(record, "arrival", self._arrival)
        return record

    def _end(self, record: Execution) -> None:
        """Others may wait for it; it waits for nobody any more."""
        if record.watched:
            self._ended = self._ended or deque()
            self._ended.append(record.id)
        for upstream, _, outcome in record.upstream:
            if not outcome:
                self._unwatch(upstream, record.id)

    def _unwatch(self, upstream: bytes, watcher: bytes) -> None:
        if self.partition.is_home_of(upstream):
            self.emit(WatchEnded(upstream, watcher))
        else:
            self.send(Unwatch(upstream, watcher))
