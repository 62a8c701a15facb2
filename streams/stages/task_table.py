"""The table `tasks`: the engine's view of one partition, over RocksDB.

| key | value |
|---|---|
| x + execution id | the execution's record |
| p + execution id | call and payload, written once |
| r + execution id | the value of a success, unless it is short and stands in the record |
| v + execution id + upstream id | the value of an upstream that lives elsewhere |
| h + execution id | somebody is to be told when it ends |
| h + execution id + watcher | the id by which that watcher knows it |
| d + execution id | of a forgotten one: until when this mark stays (8), how it ended (1), as what it was retried (16) |
| t + task id | a definition |
| l + pipeline id | a pipeline's task ids |
| g + worker | its lease ran out; until when that is remembered (8) |
| c + worker | the assignments of it that are lent, or were last |
| n + pool | how many executions wait in it, of each priority |
| m | the loop's own: how far a message is done that takes more than one commit |
| D + time (8) + execution id | derived: the timer of one that has not ended |
| W + worker, 0, execution id | derived: what a worker has |
| E + time (8) + key | derived: until when a mark, a ban or the record of what has ended is kept |
"""

from collections import OrderedDict

import msgspec

from streams.engine.records import ON_WORKER, TERMINAL, Execution, Loan, Mark, State, TaskDef
from streams.engine.view import Over, Watchers
from streams.engine.weight import weigh
from streams.stages.bodies import Bodies
from streams.stages.ends import NEVER, PREFIXES, Ends, end_key
from streams.stages.loans import Loans
from streams.stages.overlay import Overlay
from streams.stages.watches import Watches
from streams.state.partition import Change, Changes, Derive, Partition

CACHE = 50_000
"""Records kept decoded, of those that have not ended: of the others hardly any is asked for again."""

_ENDS = {
    State.SUCCEEDED: b"s",
    State.FAILED: b"f",
    State.LOST: b"l",
    State.CANCELLED: b"c",
    State.SKIPPED: b"k",
    State.UPSTREAM_FAILED: b"u",
}
_STATES = {code: state for state, code in _ENDS.items()}

_encode = msgspec.msgpack.Encoder().encode
_execution = msgspec.msgpack.Decoder(Execution).decode
_task = msgspec.msgpack.Decoder(TaskDef).decode
_body = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode
_names = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def timer_key(record: Execution) -> bytes | None:
    """The derived key of a record's timer, or of what has ended: until when it is kept."""
    if not record.wake_at:
        return None
    if record.state in TERMINAL:
        return end_key(b"x" + record.id, record.wake_at.to_bytes(8, "big"))
    return _timer(record.wake_at) + record.id


def _timer(moment: int) -> bytes:
    return b"D" + moment.to_bytes(8, "big")


def _time_of(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")


def worker_key(record: Execution) -> bytes | None:
    """The derived key of the worker that has a record; attempts without a worker have none."""
    if record.state not in ON_WORKER or not record.worker:
        return None
    return b"W" + record.worker.encode() + b"\0" + record.id


def _follow(key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
    before = _derived_keys(key, old) if old else []
    after = _derived_keys(key, new) if new else []
    return [(k, None) for k in before if k not in after] + [(k, b"") for k in after if k not in before]


def _derived_keys(key: bytes, value: bytes) -> list[bytes]:
    if key[:1] == b"x":
        record = _execution(value)
        return [k for k in (timer_key(record), worker_key(record)) if k]
    return [end_key(key, value)]


derive = Derive(_follow, sources=b"x" + PREFIXES, derived=b"DWE", layout=2)
"""The derived keys that follow from one change of a record, for recovery and standbys."""


class TaskTable:
    """Implements streams.engine.view.Table. Records are decoded once and encoded once a save."""

    def __init__(self, partition: Partition) -> None:
        self._overlay = Overlay(partition)
        self._cache: OrderedDict[bytes, Execution] = OrderedDict()
        self._absent: set[bytes] = set()  # looked for since the last save, and not in the table
        self._unmarked: set[bytes] = set()  # the same, of marks
        self._dirty: dict[bytes, Execution] = {}
        self._dirty_weight = 0
        self._bodies = Bodies()
        self._watches = Watches(partition, self._overlay)
        self._ends = Ends(self._overlay)
        self._loans = Loans(self._overlay)
        self._bans: dict[str, bool] = {}
        self._tasks: dict[str, TaskDef | None] = {}
        self._rung = b"D"  # every timer before this key has rung
        self.next_timer = 0
        """No timer that has not rung is earlier, epoch milliseconds."""
        self._written = 0

    # --- reads ------------------------------------------------------------------------------------------------

    def execution(self, execution: bytes) -> Execution | None:
        """See View."""
        found = self._cache.get(execution)
        if found is None and execution not in self._absent and (stored := self._overlay.get(b"x" + execution)):
            found = self._remember(_execution(stored))
        return found

    def expect(self, executions: list[bytes], made: list[bytes], given_out: list[bytes]) -> None:
        """Read what will be asked for, all at once, a third of what it costs one by one.

        Records of `executions`, marks of those that may be `made` now, bodies of those that may be `given_out`.
        """
        cache, bodies = self._cache, self._bodies
        missing = [which for which in executions if which not in cache]
        unmade = [which for which in made if which not in cache]
        far = [which for which in given_out if which not in bodies]
        keys = [b"x" + w for w in missing] + [b"d" + w for w in unmade] + [b"p" + w for w in far]
        stored = iter(self._overlay.get_many(keys))  # a zip asks its first list first: each takes its share and no more
        for which, record in zip(missing, stored, strict=False):
            if record is None:
                self._absent.add(which)
            else:
                self._remember(_execution(record))
        self._unmarked.update(which for which, mark in zip(unmade, stored, strict=False) if mark is None)
        self._bodies.read_ahead({which: _body(body) for which, body in zip(far, stored, strict=True) if body})

    def mark(self, execution: bytes) -> Mark | None:
        """See View."""
        stored = None if execution in self._unmarked else self._overlay.get(b"d" + execution)
        return Mark(_STATES[stored[8:9]], int.from_bytes(stored[:8], "big"), stored[9:]) if stored else None

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

    def lends(self, pool: str) -> bool:
        """See View."""
        return self._loans.some(pool)

    def lender(self, pool: str) -> Loan | None:
        """See View."""
        return self._loans.most(pool)

    def waiting(self, pool: str, above: int = -1) -> int:
        """See View."""
        return self._loans.waiting(pool, above)

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

    def over(self, until: int, limit: int) -> Over:
        """See View."""
        keys = self._ends.over(until, limit)
        ids = [key[1:] for key in keys if key.startswith(b"x")]
        self.expect(ids, [], [])
        records = [record for which in ids if (record := self.execution(which))]
        return Over(records, tuple(key for key in keys if not key.startswith(b"x")))

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
        due = self._overlay.scan(self._rung, _timer(until + 1), limit)
        if len(due) == limit:
            self._rung = due[-1][0] + b"\0"
        else:
            self._rung = _timer(until + 1)
            later = self._overlay.scan(self._rung, b"E", 1)
            self.next_timer = _time_of(later[0][0]) if later else NEVER
        return [key[9:] for key, _ in due]

    def sweeps(self, until: int) -> bool:
        """Whether marks or bans have ended at `until` (epoch milliseconds), and no sweep for them is on its way."""
        return self._ends.due(until)

    @property
    def next_due(self) -> int:
        """No timer and no end that has not been told is earlier, epoch milliseconds."""
        return min(self.next_timer, self._ends.next)

    def rewind(self, at: int) -> None:
        """It is only `at` yet: whatever has rung for a later time rings again."""
        self._set_timer(at + 1)
        self._ends.next = min(self._ends.next, at + 1)

    # --- writes -----------------------------------------------------------------------------------------------

    def put_execution(self, old: Execution | None, new: Execution) -> None:
        """See Table."""
        which = new.id
        self._cache[which] = self._dirty[which] = new
        weight = weigh(new)
        self._dirty_weight += weight
        self._written += weight
        self._loans.moved(old, new)
        key = timer_key(new)
        self._move_key(timer_key(old) if old else None, key)
        if key and new.state in TERMINAL:
            self._ends.expect(key, new.wake_at)
        elif key:
            self._set_timer(new.wake_at)  # the same time too: it may have rung for what the record was before
        self._move_key(worker_key(old) if old else None, worker_key(new))

    def forget(self, old: Execution) -> None:
        """See Table."""
        self._cache.pop(old.id, None)
        self._dirty.pop(old.id, None)
        self._bodies.drop(old.id)
        self._move_key(timer_key(old), None)
        self._move_key(worker_key(old), None)
        self._overlay.delete(b"x" + old.id)
        self._overlay.delete(b"p" + old.id)
        if old.has_result and not old.value:
            self._overlay.delete(b"r" + old.id)
        if old.watched:
            self._watches.remove_all(old.id)
        for upstream, _, _ in old.upstream:
            if self._overlay.get(b"v" + old.id + upstream) is not None:
                self._overlay.delete(b"v" + old.id + upstream)

    def put_mark(self, execution: bytes, mark: Mark) -> None:
        """See Table."""
        self._unmarked.discard(execution)
        self._ends.add(b"d" + execution, mark.until, _ENDS[State(mark.state)] + mark.retried_as)

    def sweep(self, keys: tuple[bytes, ...]) -> None:
        """See Table."""
        for key in keys:
            self._ends.remove(key)
            if key.startswith(b"g"):
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
        self._unmarked.clear()
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

    def _remember(self, record: Execution) -> Execution:
        self._cache[record.id] = record
        return record

    def _set_timer(self, wake_at: int) -> None:
        self.next_timer = min(self.next_timer, wake_at)
        if (key := _timer(wake_at)) < self._rung:
            self._rung = key

    def _move_key(self, old: bytes | None, new: bytes | None) -> None:
        if old == new:
            return
        if old:
            self._overlay.derive(old, None)
        if new:
            self._overlay.derive_new(new)
