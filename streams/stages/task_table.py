"""The table `tasks`: the engine's view of one partition, over RocksDB.

| key | value |
|---|---|
| x + execution id | the execution's record, or the mark that stays of a forgotten one: see past.py |
| p + execution id | call and payload, written once |
| r + execution id | the value of a success, unless it is short and stands in the record |
| v + execution id + upstream id | the value of an upstream that lives elsewhere |
| h + execution id | somebody is to be told when it ends |
| h + execution id + watcher | the id by which that watcher knows it |
| t + task id | a definition |
| l + pipeline id | a pipeline's task ids |
| g + worker | its lease ran out; until when that is remembered (8) |
| c + worker | the assignments of it that are lent, or were last |
| n + pool | how many executions wait in it, of each priority |
| f | how far all that has ended is forgotten: see past.py |
| m | the loop's own: how far a message is done that takes more than one commit |
| D + time (8) + execution id | derived: the timer of one that has not ended |
| W + worker, 0, execution id | derived: what a worker has |
| E + time (8) + key | derived: when a ban ends |
| q + pool, 0, order (25), execution id | derived: a place in line, see lines.py |
| F + time (8) + execution id | derived: until when the record of what has ended is kept, and how it ended |
"""

from collections import OrderedDict

import msgspec

from streams.engine.commands import Queued
from streams.engine.records import TERMINAL, Execution, Loan, Mark, TaskDef
from streams.engine.view import Over, Watchers
from streams.engine.weight import weigh
from streams.stages.bodies import Bodies
from streams.stages.derived import worker_key
from streams.stages.ends import Ends
from streams.stages.lines import Lines
from streams.stages.loans import Loans
from streams.stages.overlay import Overlay
from streams.stages.past import Past, end_row, is_mark, read_mark
from streams.stages.timers import Timers, timer_key
from streams.stages.watches import Watches
from streams.state.partition import Changes, Partition

AHEAD = 64
"""Of so many at once, who come next in line, records and bodies are read: 16 MB at the most."""

CACHE = 50_000
"""Records kept decoded, of those that have not ended: of the others hardly any is asked for again."""

_encode = msgspec.msgpack.Encoder().encode
_execution = msgspec.msgpack.Decoder(Execution).decode
_task = msgspec.msgpack.Decoder(TaskDef).decode
_body = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode
_names = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class TaskTable:
    """Implements streams.engine.view.Table. Records are decoded once and encoded once a save."""

    def __init__(self, partition: Partition, *, alone: bool = True) -> None:
        """`alone`: all executions live here, and so do their lines."""
        self._alone = alone
        self._overlay = Overlay(partition)
        self._cache: OrderedDict[bytes, Execution] = OrderedDict()
        self._absent: set[bytes] = set()  # looked for since the last save, and not in the table
        self._marks: dict[bytes, bytes] = {}  # the same, and forgotten
        self._dirty: dict[bytes, Execution] = {}
        self._dirty_weight = 0
        self._bodies = Bodies()
        self._watches = Watches(partition, self._overlay)
        self._timers = Timers(self._overlay)
        self._ends = Ends(self._overlay)
        self._past = Past(self._overlay)
        self._far_values = bool(partition.scan(b"v", b"w", 1))
        self._loans = Loans(self._overlay)
        self._lines = Lines(self._overlay)
        self._ahead: set[bytes] = set()  # read since the last save because they come next
        self._bans: dict[str, bool] = {}
        self._tasks: dict[str, TaskDef | None] = {}
        self._written = 0

    # --- reads ------------------------------------------------------------------------------------------------

    def execution(self, execution: bytes) -> Execution | None:
        """See View."""
        if found := self._cache.get(execution):
            return found
        if execution in self._absent or execution in self._marks:
            return None
        return self._learn(execution, self._overlay.get(b"x" + execution))

    def expect(self, executions: list[bytes], given_out: list[bytes]) -> None:
        """Read what will be asked for, all at once, a third of what it costs one by one.

        Records of `executions`, or their marks, and bodies of those that may be `given_out`.
        """
        cache, bodies = self._cache, self._bodies
        missing = [which for which in executions if which not in cache]
        far = [which for which in given_out if which not in bodies]
        stored = iter(self._overlay.get_many([b"x" + w for w in missing] + [b"p" + w for w in far]))
        for which, value in zip(missing, stored, strict=False):  # it asks its first list first, and takes no more
            self._learn(which, value)
        self._bodies.read_ahead({which: _body(body) for which, body in zip(far, stored, strict=True) if body})

    def mark(self, execution: bytes) -> Mark | None:
        """See View."""
        if self.execution(execution):
            return None
        found = self._marks.get(execution)
        return read_mark(found) if found else None

    def task(self, task: str) -> TaskDef | None:
        """See View."""
        if task not in self._tasks:
            if len(self._tasks) > CACHE:
                self._tasks.clear()
            stored = self._overlay.get(b"t" + task.encode())
            self._tasks[task] = _task(stored) if stored else None
        return self._tasks[task]

    def pipeline(self, pipeline: str) -> tuple[str, ...] | None:
        """See View."""
        stored = self._overlay.get(b"l" + pipeline.encode())
        return _names(stored) if stored else None

    def banned(self, worker: str) -> bool:
        """See View."""
        if worker not in self._bans:
            if len(self._bans) > CACHE:
                self._bans.clear()
            self._bans[worker] = self._overlay.get(b"g" + worker.encode()) is not None
        return self._bans[worker]

    def loan(self, worker: str) -> Loan | None:
        """See View."""
        return self._loans.of(worker)

    def lender(self, pool: str) -> Loan | None:
        """See View."""
        return self._loans.most(pool)

    def first(self, pool: str) -> bytes | None:
        """See View."""
        return self._lines.first(pool)

    def next_in_line(self, pool: str, which: bytes) -> Execution:
        """See View. Those behind it are read along with it, as many as something is lent for."""
        if which not in self._ahead and not (which in self._cache and which in self._bodies):
            ahead = self._lines.head(pool, min(AHEAD, self._loans.left(pool)))
            self._ahead.update(ahead)
            self.expect(ahead, ahead)
        record = self.execution(which)
        if record is None:
            raise LookupError(f"{which.hex()} stands in line, and has no record")
        return record

    def waits(self) -> set[str]:
        """The pools in which somebody waits."""
        return {pool for pool, counts in self._lines.waiting.items() if any(counts)}

    def served(self) -> set[str]:
        """The pools in which somebody waits and something is lent."""
        return {pool for pool in self.waits() if self._loans.most(pool)}

    def queued(self, pool: str) -> Queued:
        """How many wait in a pool, and since when."""
        return Queued(pool, self._lines.counts(pool), self._lines.oldest(pool))

    def held_by(self, worker: str) -> list[bytes]:
        """See View."""
        start = b"W" + worker.encode() + b"\0"
        return [key[-16:] for key, _ in self._overlay.scan(start, start[:-1] + b"\x01", 10_000_000)]

    def watched(self, execution: bytes) -> bool:
        """See View."""
        return self._watches.any(execution)

    def watchers(self, execution: bytes, after: bytes, limit: int) -> Watchers:
        """See View."""
        return self._watches.of(execution, after, limit)

    def over(self, until: int, remember: int, limit: int) -> Over:
        """See View."""
        executions, marks = self._past.over(until, remember, limit)
        self._watches.expect(executions)
        return Over(executions, (*marks, *self._ends.over(until, limit)))

    def body(self, execution: bytes) -> tuple[bytes, bytes]:
        """See View."""
        if known := self._bodies.give_out(execution):
            return known
        stored = self._overlay.get(b"p" + execution)
        return _body(stored) if stored else (b"", b"")

    def result(self, execution: bytes) -> bytes:
        """See View."""
        record = self.execution(execution)
        if record is None or not record.has_result:
            return b""
        return record.value or self._overlay.get(b"r" + execution) or b""

    def kept_result(self, execution: bytes, upstream: bytes) -> bytes:
        """See View."""
        return self._overlay.get(b"v" + execution + upstream) or b""

    def held(self) -> list[Execution]:
        """Every execution that some worker has."""
        keys = [key for key, _ in self._overlay.scan(b"W", b"X", 10_000_000)]
        return [record for key in keys if (record := self.execution(key[-16:]))]

    def ring(self, until: int, limit: int) -> list[bytes]:
        """The executions whose timers are due at `until` (epoch milliseconds) and have not rung yet; earliest first."""
        return self._timers.ring(until, limit) if until >= self._timers.next else []

    def sweeps(self, until: int, remember: int) -> bool:
        """Whether something is `over` at `until` (epoch milliseconds), and no sweep for it is on its way."""
        ends = self._ends.due(until)
        return self._past.due(until, remember) or ends

    @property
    def next_due(self) -> int:
        """Neither rings anything nor is a sweep needed earlier, epoch milliseconds."""
        return min(self._timers.next, self._ends.next, self._past.next)

    def rewind(self, at: int) -> None:
        """It is only `at` yet: whatever has rung for a later time rings again."""
        self._timers.set(at + 1)
        self._ends.next = min(self._ends.next, at + 1)
        self._past.next = min(self._past.next, at + 1)

    # --- writes -----------------------------------------------------------------------------------------------

    def put_execution(self, old: Execution | None, new: Execution) -> None:
        """See Table."""
        which = new.id
        self._cache[which] = self._dirty[which] = new
        weight = weigh(new)
        self._dirty_weight += weight
        self._written += weight
        if self._alone:
            self._lines.moved(old, new)
        if new.state in TERMINAL:
            self._end(old, new)
            return
        self._move_key(timer_key(old) if old else None, timer_key(new))
        if new.wake_at:
            self._timers.set(new.wake_at)  # the same time too: it may have rung for what the record was before
        self._move_key(worker_key(old) if old else None, worker_key(new))

    def forget(self, execution: bytes, *, mark: bool) -> None:
        """See Table."""
        if self._far_values and (record := self.execution(execution)):
            self._forget_values(record)
        if not self._past.forget(execution, mark=mark):
            return
        self._cache.pop(execution, None)
        self._dirty.pop(execution, None)
        self._absent.discard(execution)
        self._bodies.drop(execution)

    def sweep(self, keys: tuple[bytes, ...]) -> None:
        """See Table."""
        for key in keys:
            if key.startswith(b"F"):
                self._marks.pop(self._past.remove(key), None)
            else:
                self._ends.remove(key)
                self._bans.pop(key[1:].decode(), None)

    def put_body(self, execution: bytes, call: bytes, payload: bytes) -> None:
        """See Table."""
        self._put(b"p" + execution, _encode((call, payload)))
        self._bodies.keep(self._cache[execution], (call, payload))

    def put_result(self, execution: bytes, result: bytes) -> None:
        """See Table."""
        self._put(b"r" + execution, result)

    def keep_result(self, execution: bytes, upstream: bytes, result: bytes) -> None:
        """See Table."""
        self._far_values = True
        self._put(b"v" + execution + upstream, result)

    def watch(self, execution: bytes, watcher: bytes, known_as: bytes) -> None:
        """See Table."""
        self._watches.add(execution, watcher, known_as)

    def unwatch(self, execution: bytes, watcher: bytes) -> None:
        """See Table."""
        self._watches.remove(execution, watcher)

    def put_task(self, task: TaskDef) -> None:
        """See Table."""
        self._tasks[task.id] = task
        self._put(b"t" + task.id.encode(), _encode(task))

    def delete_task(self, task: str) -> None:
        """See Table."""
        self._tasks[task] = None
        self._overlay.delete(b"t" + task.encode())

    def put_pipeline(self, pipeline: str, tasks: tuple[str, ...]) -> None:
        """See Table."""
        self._put(b"l" + pipeline.encode(), _encode(tasks))

    def put_loan(self, loan: Loan) -> None:
        """See Table."""
        self._loans.put(loan)

    def ban(self, worker: str, until: int) -> None:
        """See Table."""
        self._loans.end(worker)
        self._bans[worker] = True
        self._ends.remove(b"g" + worker.encode())
        self._ends.add(b"g" + worker.encode(), until)

    # --- saving -------------------------------------------------------------------------------------------------

    def changes(self) -> Changes:
        """What has changed since the last save, for one commit."""
        for execution, record in self._dirty.items():
            self._overlay.put(b"x" + execution, _encode(record))
        self._loans.save()
        self._lines.save()
        self._past.save()
        return self._overlay.changes()

    @property
    def written(self) -> int:
        """See View: what a command adds follows from the log alone."""
        return self._written

    def weight(self) -> int:
        """Bytes that the next commit will write; rather too many than too few."""
        return self._overlay.weight + self._dirty_weight

    def saved(self) -> None:
        """The changes are durable."""
        self._absent.clear()
        self._bodies.saved()
        self._marks.clear()
        self._ahead.clear()
        for execution, record in self._dirty.items():
            if record.state in TERMINAL:
                del self._cache[execution]
                self._bodies.drop(execution)
        self._dirty.clear()
        self._dirty_weight = 0
        self._overlay.clear()
        self._watches.saved()
        while len(self._cache) > CACHE:
            self._cache.popitem(last=False)

    def _put(self, key: bytes, value: bytes) -> None:
        self._overlay.put(key, value)
        self._written += len(key) + len(value)

    def _learn(self, execution: bytes, value: bytes | None) -> Execution | None:
        """Remember what is in the table of an execution; its record, if there is one."""
        if value is None:
            self._absent.add(execution)
        elif is_mark(value):
            self._marks[execution] = value
        else:
            record = self._cache[execution] = _execution(value)
            return record
        return None

    def _end(self, old: Execution | None, new: Execution) -> None:
        known = old is not None and old.state in TERMINAL and old.wake_at == new.wake_at
        if old and not known:
            self._move_key(end_row(old)[0] if old.state in TERMINAL else timer_key(old), None)
        if old:
            self._move_key(worker_key(old), None)
        self._past.end(new, known=known)

    def _forget_values(self, record: Execution) -> None:
        for upstream, _, _ in record.upstream:
            if self._overlay.get(b"v" + record.id + upstream) is not None:
                self._overlay.delete(b"v" + record.id + upstream)

    def _move_key(self, old: bytes | None, new: bytes | None) -> None:
        if old == new:
            return
        if old:
            self._overlay.derive(old, None)
        if new:
            self._overlay.derive_new(new)
