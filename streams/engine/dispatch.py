"""DISPATCH: who is next, and where. Strict order over a whole pool, bounded by what its workers accept.

Its answers are proposals (`Assign`); SCHEDULE checks each one, so a repeated or stale proposal does no harm. Where all
executions live on one partition, their line stands there, and it lends SCHEDULE all that its workers accept: see loan.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from pipelines.ids import home_of
from streams.engine import commands as c
from streams.engine.line import Line, Ordered, place_of

_PREFIX = b"w"
_PREFIX_END = b"x"
_QUEUED = b"l"
_QUEUED_END = b"m"
QUEUED_FOR = 10_000
"""Milliseconds for which a line is as long as SCHEDULE said last; it says so each second."""

_HEARD = b"h"
"""Key of the log's time of the last message, 8 bytes."""

_decode_queued = msgspec.msgpack.Decoder(tuple[int, c.Queued]).decode


class WorkerRecord(Struct, array_like=True):
    """A worker as its dispatcher knows it. `assigned` and `limit` count since its lane was granted."""

    worker: str
    pool: str
    lane: int
    slots: int = 0
    limit: int = 0
    assigned: int = 0
    held: int = 0
    running: int = 0
    draining: bool = False
    version: str = ""
    host: str = ""
    pid: int = 0
    seen_at: int = 0  # the log's time of its last beat, or from when on a beat could be expected of it again
    capacity: int = 0  # how many it wants to hold: its slots and its look-ahead
    lent: bool = False  # SCHEDULE may have assignments of it that it has not made

    @property
    def free(self) -> int:
        """How many more assignments it accepts."""
        return 0 if self.draining else self.limit - self.assigned


@dataclass(slots=True)
class Proposals:
    """What a batch sends: to home partitions of headrace.tasks, and to all workers; and which pools it has closed.

    `silent`: the workers that it has given up, each with the milliseconds since its last word.
    """

    homes: dict[int, list[c.TaskCommand]] = field(default_factory=dict)
    workers: list[c.WorkerMessage] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    silent: list[tuple[WorkerRecord, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Domain:
    """What a dispatcher may give away. Times are milliseconds."""

    number: int  # its partition of headrace.ready
    count: int  # partitions of headrace.ready
    homes: int  # partitions of headrace.tasks
    lanes: int
    lease: int


class Dispatcher:
    """The dispatcher of one partition of headrace.ready: several pools, each with its line and its workers."""

    def __init__(self, table: Ordered, domain: Domain) -> None:
        self._table = table
        self._domain = domain
        self.lines: dict[str, Line] = {}
        self.workers: dict[str, WorkerRecord] = {}
        self._queued: dict[str, tuple[int, c.Queued]] = {}  # what SCHEDULE said of the lines that it keeps, and when
        self._changed: dict[str, WorkerRecord] = {}
        self._touched: set[str] = set()
        decode = msgspec.msgpack.Decoder(WorkerRecord).decode
        for _, value in table.scan(_PREFIX, _PREFIX_END, domain.lanes + 1):
            record = decode(value)
            self.workers[record.worker] = record
        for _, value in table.scan(_QUEUED, _QUEUED_END, 100_000):
            at, queued = _decode_queued(value)
            self._queued[queued.pool] = at, queued
        for key, _ in table.scan(b"c", b"d", 100_000):
            self._line(key[1:].decode())
        self.heard_at = int.from_bytes(table.get(_HEARD) or b"", "big")

    def hear(self, at: int) -> None:
        """A message came, appended at `at`; before its commands are taken.

        A log in which nothing stirred for half a lease was away, or its clock was set: neither is a worker's silence,
        and all leases begin anew. A dispatcher that was away is none of this: beats go into the log without it.
        """
        if abs(at - self.heard_at) > self._domain.lease // 2:
            for record in self.workers.values():
                record.seen_at = at
                self._changed[record.worker] = record
        self.heard_at = at

    def take(self, out: Proposals, command: c.ReadyCommand, now: int) -> None:
        """Take one command. `now` is the log's time of its message, epoch milliseconds."""
        _HANDLERS[type(command)](self, out, command, now)

    def assign(self, out: Proposals) -> None:
        """After each message: give away what can be given."""
        for pool in sorted(self._touched):
            self._assign(out, pool)
        self._touched.clear()
        for pool in [pool for pool in self._queued if not self.queue(pool)]:
            self._forget_queue(out, pool)

    def save(self) -> None:
        """Write what has changed to the table; called once for each commit."""
        for worker, record in self._changed.items():
            if worker in self.workers:
                self._table.put(_PREFIX + worker.encode(), msgspec.msgpack.encode(record))
            else:
                self._table.delete(_PREFIX + worker.encode())
        self._changed.clear()
        self._table.put(_HEARD, self.heard_at.to_bytes(8, "big"))
        for line in self.lines.values():
            line.save()

    def silent(self, now: int) -> list[c.Silent]:
        """Workers of whom nothing was heard for a lease."""
        limit = now - self._domain.lease
        return [c.Silent(w.worker, now) for w in self.workers.values() if w.seen_at < limit]

    def pools(self) -> set[str]:
        """Every pool that has somebody in line or at work."""
        return {*self.lines, *self._queued, *(w.pool for w in self.workers.values())}

    def queue(self, pool: str) -> c.Queued | None:
        """What SCHEDULE said lately of a line that it keeps; none: nobody is in it."""
        at, queued = self._queued.get(pool, (0, None))
        return queued if abs(self.heard_at - at) < QUEUED_FOR else None

    @property
    def _lends(self) -> bool:
        return self._domain.homes == 1

    # --- commands -----------------------------------------------------------------------------------------

    def _ready(self, _out: Proposals, r: c.Ready, _now: int) -> None:
        if self._lends:
            return  # its place is where it lives
        self._line(r.pool).add(place_of(r), r.attempt)
        self._touched.add(r.pool)

    def _withdraw(self, out: Proposals, r: c.Withdraw, _now: int) -> None:
        self._line(r.pool).remove(place_of(r))
        self._close(out, r.pool)

    def _credit(self, out: Proposals, credit: c.Credit, _now: int) -> None:
        record = self.workers.get(credit.worker)
        if record is None:
            out.workers.append(c.Dismiss(credit.worker, "its lease ran out"))
            return
        record.limit = credit.limit
        self._change(record)

    def _beat(self, out: Proposals, beat: c.Beat, now: int) -> None:
        record = self.workers.get(beat.worker)
        if record is None:
            if beat.limit >= 0:
                out.workers.append(c.Dismiss(beat.worker, "its lease ran out"))
                return
            record = self._admit(out, beat)
            if record is None:
                return
        if beat.limit < 0 or beat.draining:
            assigned = record.assigned if beat.draining else -1
            out.workers.append(c.Grant(beat.worker, record.lane, self._domain.lease, assigned))
        record.limit = max(beat.limit, 0)
        record.capacity = beat.capacity
        if beat.draining or record.assigned - record.limit > beat.capacity - beat.slots:
            self._recall(out, record)
        record.slots, record.held, record.running = beat.slots, beat.held, beat.running
        record.draining, record.seen_at = beat.draining, now
        record.version, record.host, record.pid = beat.version, beat.host, beat.pid
        self._change(record)

    def _hear_of_queue(self, out: Proposals, queued: c.Queued, now: int) -> None:
        if any(queued.waiting):
            self._queued[queued.pool] = now, queued
            self._table.put(_QUEUED + queued.pool.encode(), msgspec.msgpack.encode((now, queued)))
        elif queued.pool in self._queued:
            self._forget_queue(out, queued.pool)

    def _goodbye(self, out: Proposals, goodbye: c.Goodbye, now: int) -> None:
        self._let_go(out, goodbye.worker, now)

    def _silent(self, out: Proposals, silent: c.Silent, now: int) -> None:
        record = self.workers.get(silent.worker)
        if record and record.seen_at + self._domain.lease < min(silent.at, now):  # a clock that runs ahead is no proof
            self._let_go(out, silent.worker, now)
            out.silent.append((record, now - record.seen_at))
            out.workers.append(c.Dismiss(silent.worker, "nothing was heard of it for a whole lease"))

    # --- workers and lines ----------------------------------------------------------------------------------

    def _admit(self, out: Proposals, beat: c.Beat) -> WorkerRecord | None:
        taken = {w.lane for w in self.workers.values()}
        own = range(self._domain.number, self._domain.lanes, self._domain.count)
        lane = next((n for n in own if n not in taken), None)
        if lane is None:
            out.workers.append(c.Dismiss(beat.worker, f"all {len(own)} lanes are leased: raise the setting `lanes`"))
            return None
        record = self.workers[beat.worker] = WorkerRecord(beat.worker, beat.pool, lane)
        return record

    def _let_go(self, out: Proposals, worker: str, now: int) -> None:
        record = self.workers.pop(worker, None)
        if record is None:
            return
        self._changed[worker] = record
        self._close(out, record.pool)
        for home in range(self._domain.homes):
            out.homes.setdefault(home, []).append(c.WorkerLost(worker, now))

    def _forget_queue(self, out: Proposals, pool: str) -> None:
        del self._queued[pool]
        self._table.delete(_QUEUED + pool.encode())
        self._close(out, pool)

    def _close(self, out: Proposals, pool: str) -> None:
        """A pool in which nobody waits and nobody works is gone, until somebody comes."""
        line = self.lines.get(pool)
        if line or pool in self._queued or any(w.pool == pool for w in self.workers.values()):
            return
        out.closed.add(pool)
        if line is not None:
            line.drop()
            del self.lines[pool]

    def _change(self, record: WorkerRecord) -> None:
        self._changed[record.worker] = record
        self._touched.add(record.pool)

    def _line(self, pool: str) -> Line:
        line = self.lines.get(pool)
        if line is None:
            line = self.lines[pool] = Line(self._table, pool)
        return line

    def _assign(self, out: Proposals, pool: str) -> None:
        """Give away what can be given, or lend it."""
        workers = [w for w in self.workers.values() if w.pool == pool]
        if self._lends:
            for record in workers:
                self._lend(out, record)
        elif line := self.lines.get(pool):
            self._give(out, line, workers)

    def _give(self, out: Proposals, line: Line, workers: list[WorkerRecord]) -> None:
        """Give the head of the line to the worker with most room, until one of both runs out."""
        room = [(-w.free, w.worker) for w in workers if w.free > 0]
        heapq.heapify(room)
        while room and (first := line.pop()):
            execution, attempt = first
            record = self.workers[room[0][1]]
            record.assigned += 1
            self._changed[record.worker] = record
            proposal = c.Assign(execution, attempt, record.worker, record.lane, record.assigned)
            out.homes.setdefault(home_of(execution, self._domain.homes), []).append(proposal)
            if record.free > 0:
                heapq.heapreplace(room, (-record.free, record.worker))
            else:
                heapq.heappop(room)

    def _lend(self, out: Proposals, record: WorkerRecord) -> None:
        """Let SCHEDULE give away what the worker accepts."""
        if record.free > 0:
            first, last = record.assigned + 1, record.limit
            out.homes.setdefault(0, []).append(c.Lend(record.worker, record.pool, record.lane, first, last))
            record.assigned, record.lent = last, True
            self._changed[record.worker] = record

    def _recall(self, out: Proposals, record: WorkerRecord) -> None:
        """The worker does not want to hold as much, or leaves."""
        if record.lent:
            record.lent = False
            self._changed[record.worker] = record
            out.homes.setdefault(0, []).append(c.Recall(record.worker))


_HANDLERS: dict[type, Callable[[Dispatcher, Proposals, Any, int], None]] = {
    c.Ready: Dispatcher._ready,  # noqa: SLF001  (the table of this very class)
    c.Withdraw: Dispatcher._withdraw,  # noqa: SLF001
    c.Credit: Dispatcher._credit,  # noqa: SLF001
    c.Beat: Dispatcher._beat,  # noqa: SLF001
    c.Goodbye: Dispatcher._goodbye,  # noqa: SLF001
    c.Queued: Dispatcher._hear_of_queue,  # noqa: SLF001
    c.Silent: Dispatcher._silent,  # noqa: SLF001
}
