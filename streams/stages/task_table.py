"""The table `tasks`: the engine's view of one partition, over RocksDB.

| key | value |
|---|---|
| x + execution id | the execution's record |
| p + execution id | call and payload, written once |
| r + execution id | the value of a success |
| v + execution id + upstream id | the value of an upstream that lives elsewhere |
| h + execution id | who is to be told when it ends |
| t + task id | a definition |
| l + pipeline id | a pipeline's task ids |
| g + worker | when its lease ran out |
| m | the loop's own: how far a message is done that takes more than one commit |
| D + time (8) + execution id | derived: the timer |
| W + worker, 0, execution id | derived: what a worker has |
"""

from collections import OrderedDict

import msgspec

from streams.engine.records import ON_WORKER, Execution, TaskDef
from streams.engine.view import Watchers
from streams.engine.weight import weigh
from streams.stages.overlay import Overlay
from streams.state.partition import Change, Partition

CACHE = 50_000
"""Records kept decoded."""

CACHE_BODIES = 20_000
SMALL = 4_096
"""Bodies kept in memory, and the bytes of the largest of them."""

NEVER = 1 << 62
"""A moment that does not come."""

_encode = msgspec.msgpack.Encoder().encode
_execution = msgspec.msgpack.Decoder(Execution).decode
_task = msgspec.msgpack.Decoder(TaskDef).decode
_watchers = msgspec.msgpack.Decoder(Watchers).decode
_body = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode
_names = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def timer_key(record: Execution) -> bytes | None:
    """The derived key of a record's timer."""
    return _timer(record.wake_at) + record.id if record.wake_at else None


def _timer(moment: int) -> bytes:
    return b"D" + moment.to_bytes(8, "big")


def _time_of(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")


def worker_key(record: Execution) -> bytes | None:
    """The derived key of the worker that has a record; attempts without a worker have none."""
    return b"W" + record.worker.encode() + b"\0" + record.id if record.state in ON_WORKER and record.worker else None


def derive(key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
    """The derived keys that follow from one change of a record, for recovery and standbys."""
    if key[:1] != b"x":
        return []
    before = _derived_keys(_execution(old)) if old else set()
    after = _derived_keys(_execution(new)) if new else set()
    return [(k, None) for k in sorted(before - after)] + [(k, b"") for k in sorted(after - before)]


def _derived_keys(record: Execution) -> set[bytes]:
    return {k for k in (timer_key(record), worker_key(record)) if k}


class TaskTable:
    """Implements streams.engine.view.Table. Records are decoded once and encoded once a batch."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._overlay = Overlay(partition)
        self._cache: OrderedDict[bytes, Execution] = OrderedDict()
        self._absent: set[bytes] = set()  # looked for in this batch, and not in the table
        self._dirty: dict[bytes, Execution] = {}
        self._dirty_weight = 0
        self._bodies: dict[bytes, tuple[bytes, bytes]] = {}  # of those that were made lately, until they are given out
        self._anyone_waits = bool(partition.scan(b"h", b"i", 1))
        self._bans: dict[str, bool] = {}
        self._tasks: dict[str, TaskDef | None] = {}
        self._rung = b"D"  # every timer before this key has rung
        self.next_timer = 0
        """No timer that has not rung is earlier, epoch milliseconds."""

    # --- reads ------------------------------------------------------------------------------------------------

    def execution(self, execution: bytes) -> Execution | None:
        """See View."""
        found = self._cache.get(execution)
        if found is None and execution not in self._absent and (stored := self._overlay.get(b"x" + execution)):
            found = self._remember(_execution(stored))
        return found

    def expect(self, executions: list[bytes]) -> None:
        """Read records that will be asked for, all at once: a third of what they cost one by one."""
        missing = [which for which in executions if which not in self._cache]
        stored = self._overlay.get_many([b"x" + which for which in missing])
        for which, record in zip(missing, stored, strict=True):
            if record is None:
                self._absent.add(which)
            else:
                self._remember(_execution(record))

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
            self._bans[worker] = self._overlay.get(b"g" + worker.encode()) is not None
        return self._bans[worker]

    def held_by(self, worker: str) -> list[bytes]:
        """See View."""
        start = b"W" + worker.encode() + b"\0"
        return [key[-16:] for key, _ in self._overlay.scan(start, start[:-1] + b"\x01", 10_000_000)]

    def watchers(self, execution: bytes) -> Watchers:
        """See View."""
        stored = self._overlay.get(b"h" + execution) if self._anyone_waits else None
        return _watchers(stored) if stored else ()

    def body(self, execution: bytes) -> tuple[bytes, bytes]:
        """See View."""
        if known := self._bodies.pop(execution, None):
            return known
        stored = self._overlay.get(b"p" + execution)
        return _body(stored) if stored else (b"", b"")

    def result(self, execution: bytes) -> bytes:
        """See View."""
        return self._overlay.get(b"r" + execution) or b""

    def kept_result(self, execution: bytes, upstream: bytes) -> bytes:
        """See View."""
        return self._overlay.get(b"v" + execution + upstream) or b""

    def held(self) -> list[Execution]:
        """Every execution that some worker has."""
        keys = [key for key, _ in self._overlay.scan(b"W", b"X", 10_000_000)]
        return [record for key in keys if (record := self.execution(key[-16:]))]

    def ring(self, until: int, limit: int) -> list[bytes]:
        """The executions whose timers are due at `until` (epoch milliseconds) and have not rung yet; earliest first."""
        due = self._partition.scan(self._rung, _timer(until + 1), limit)
        if len(due) == limit:
            self._rung = due[-1][0] + b"\0"
        else:
            self._rung = _timer(until + 1)
            later = self._partition.scan(self._rung, b"E", 1)
            self.next_timer = _time_of(later[0][0]) if later else NEVER
        return [key[9:] for key, _ in due]

    # --- writes -----------------------------------------------------------------------------------------------

    def put_execution(self, old: Execution | None, new: Execution) -> None:
        """See Table."""
        self._dirty[new.id] = self._remember(new)
        self._dirty_weight += weigh(new)
        self._move_key(timer_key(old) if old else None, timer_key(new))
        self._move_key(worker_key(old) if old else None, worker_key(new))
        if new.wake_at:
            self._set_timer(new.wake_at)

    def forget(self, old: Execution) -> None:
        """See Table."""
        self._cache.pop(old.id, None)
        self._dirty.pop(old.id, None)
        self._bodies.pop(old.id, None)
        self._move_key(timer_key(old), None)
        self._move_key(worker_key(old), None)
        for prefix in (b"x", b"p", b"r", b"h"):
            if prefix in b"xp" or self._overlay.get(prefix + old.id) is not None:
                self._overlay.delete(prefix + old.id)
        for upstream, _, _ in old.upstream:
            if self._overlay.get(b"v" + old.id + upstream) is not None:
                self._overlay.delete(b"v" + old.id + upstream)

    def put_body(self, execution: bytes, call: bytes, payload: bytes) -> None:
        """See Table."""
        self._overlay.put(b"p" + execution, _encode((call, payload)))
        if len(self._bodies) < CACHE_BODIES and len(call) + len(payload) < SMALL:
            self._bodies[execution] = call, payload

    def put_result(self, execution: bytes, result: bytes) -> None:
        """See Table."""
        self._overlay.put(b"r" + execution, result)

    def keep_result(self, execution: bytes, upstream: bytes, result: bytes) -> None:
        """See Table."""
        self._overlay.put(b"v" + execution + upstream, result)

    def put_watchers(self, execution: bytes, watchers: Watchers) -> None:
        """See Table."""
        self._overlay.put(b"h" + execution, _encode(watchers))
        self._anyone_waits = True

    def put_task(self, task: TaskDef) -> None:
        """See Table."""
        self._tasks[task.id] = task
        self._overlay.put(b"t" + task.id.encode(), _encode(task))

    def delete_task(self, task: str) -> None:
        """See Table."""
        self._tasks[task] = None
        self._overlay.delete(b"t" + task.encode())

    def put_pipeline(self, pipeline: str, tasks: tuple[str, ...]) -> None:
        """See Table."""
        self._overlay.put(b"l" + pipeline.encode(), _encode(tasks))

    def ban(self, worker: str, at: int) -> None:
        """See Table."""
        self._bans[worker] = True
        self._overlay.put(b"g" + worker.encode(), at.to_bytes(8, "big"))

    # --- the batch ----------------------------------------------------------------------------------------------

    def changes(self) -> tuple[list[Change], list[Change]]:
        """Records and derived keys of the batch, for one commit."""
        for execution, record in self._dirty.items():
            self._overlay.put(b"x" + execution, _encode(record))
        return self._overlay.changes()

    def weight(self) -> int:
        """Bytes that the next commit will write; rather too many than too few."""
        return self._overlay.weight + self._dirty_weight

    def committed(self) -> None:
        """The batch is durable."""
        self._absent.clear()
        self._dirty.clear()
        self._dirty_weight = 0
        self._overlay.clear()
        while len(self._cache) > CACHE:
            self._cache.popitem(last=False)

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
            self._overlay.derive(new, b"")
