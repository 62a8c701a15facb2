"""What ClickHouse gets of each table, column by column: a name, a kind of value, and where its values come from.

Columns and not rows: Arrow makes an array of all values of one in one go, and looks at their bounds as quickly;
ClickHouse, which keeps columns itself, takes it as it is. A number that is too large or below zero, which ClickHouse
would wrap around, is refused by its column's name.
"""

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ids import pipeline_of
from sinks.record.attempts import error_of_try, number_of_try, ran_ms, state_of_try
from streams.engine.events import TaskDeleted
from streams.engine.records import LATEST, MOST_CRITICAL

Get = Callable[[Any], Any]


class UnreadableRowsError(Exception):
    """A value has no place in its column; the same rows will be refused again."""


class Source(NamedTuple):
    """What a row is made of: a record, what was told of it (a step, a definition), and the place of that in Kafka."""

    record: Any
    told: Any = None
    partition: int = 0
    position: int = 0


Kind = Callable[[Sequence[Any]], pa.Array]
"""Makes an array of values. Raises ValueError where one does not fit."""


def _of(type_: pa.DataType, made: Callable[[Sequence[Any]], list[Any]] | None = None) -> Kind:
    return lambda values: pa.array(made(values) if made else values, type_)


def _number(type_: pa.DataType, top: int, *, zero_is_none: bool = False) -> Kind:
    def numbers(values: Sequence[int]) -> pa.Array:
        try:
            found = pa.array(values, pa.int64())
            low, high = pc.min_max(found).as_py().values()
        except OverflowError:
            low, high = min(values), max(values)
        if low < 0 or high > top:
            raise ValueError(f"{low if low < 0 else high} does not fit: 0 to {top} do")
        return (pc.if_else(pc.not_equal(found, 0), found, None) if zero_is_none else found).cast(type_)

    return numbers


def _utf8(values: Sequence[bytes]) -> list[bytes]:
    """Bytes of others: what is no UTF-8 does not reach a column."""
    return [v if v.isascii() else v.decode("utf-8", "replace").encode() for v in values]


def _hex(execution: bytes) -> str:
    """An id as every version of ClickHouse reads it."""
    if len(execution) != ID_BYTES:
        raise ValueError(f"{execution.hex()} is no id: it has {len(execution)} bytes, and not {ID_BYTES}")
    return execution.hex()


def _ids(values: Sequence[bytes]) -> list[str]:
    return [_hex(value) for value in values]


def _ids_or_none(values: Sequence[bytes]) -> list[str | None]:
    return [_hex(value) if value else None for value in values]


def _upstream(values: Sequence[tuple[tuple[bytes, str, str], ...]]) -> list[list[tuple[str, str, str]]]:
    return [[(_hex(execution), task, state) for execution, task, state in those] for those in values]


def _tuples(*names: str) -> pa.DataType:
    return pa.list_(pa.struct([(name, pa.string()) for name in names]))


ID_BYTES = 16
SPAN = 2**63 - 1
"""The largest number of 64 bits that Arrow looks at as quickly as at any other; our own models end long before."""

ID, ID_OR_NONE = _of(pa.string(), _ids), _of(pa.string(), _ids_or_none)
TEXT, TEXTS, BOOL, JSON = _of(pa.string()), _of(pa.list_(pa.string())), _of(pa.bool_()), _of(pa.binary(), _utf8)
UPSTREAM = _of(_tuples("execution", "task", "state"), _upstream)
UPSTREAM_TASKS = _of(_tuples("task", "run"))
PRIORITY = _number(pa.uint8(), MOST_CRITICAL)
SHORT, COUNT, LARGE = _number(pa.uint16(), 2**16 - 1), _number(pa.uint32(), 2**32 - 1), _number(pa.uint64(), SPAN)
LIMIT = _number(pa.uint64(), SPAN, zero_is_none=True)
LENGTH = _of(pa.uint64())
MOMENT = _number(pa.timestamp("ms"), LATEST)
MAYBE = _number(pa.timestamp("ms"), LATEST, zero_is_none=True)


class Column(NamedTuple):
    """`get` takes its value from that part of a row's source."""

    kind: Kind
    part: str
    get: Get | None = None


def _its(kind: Kind, name: str) -> Column:
    """An attribute of the record."""
    return Column(kind, "record", attrgetter(name))


def _same(kind: Kind, *names: str) -> dict[str, Column]:
    """Attributes of the record by whose names their columns go."""
    return {name: _its(kind, name) for name in names}


def _told(kind: Kind, get: Get) -> Column:
    """Something that was told of it."""
    return Column(kind, "told", get)


_PARTITION, _POSITION = Column(SHORT, "partition"), Column(LARGE, "position")

_STEP = {
    "execution": _its(ID, "id"),
    **_same(COUNT, "version"),
    "attempt": _told(COUNT, number_of_try),
    **_same(TEXT, "task", "worker"),
    **_same(MOMENT, "created_at"),
    "partition": _PARTITION,
    "position": _POSITION,
}
"""What every row has that is made of a step."""

_WANTED = {
    **_same(TEXT, "kind", "pool", "queue", "owner", "trigger"),
    **_same(PRIORITY, "priority"),
    **_same(BOOL, "at_most_once"),
    "max_latency_ms": _its(LIMIT, "max_latency"),
    "timeout_ms": _its(LIMIT, "timeout"),
    "execution_timeout_ms": _its(LIMIT, "execution_timeout"),
}
"""What an execution has from its task."""

_TIMES = _same(MAYBE, "ready_at", "dispatched_at", "started_at", "finished_at")
"""When what happened to the newest attempt."""

EVENTS = {
    **_STEP,
    "at": _told(MOMENT, attrgetter("at")),
    "what": _told(TEXT, attrgetter("what")),
    **_same(TEXT, "state", "reason", "error"),
    "call": _told(JSON, attrgetter("call")),
    "payload": _told(JSON, attrgetter("payload")),
}
"""Transitions."""

EXECUTIONS = {
    **_STEP,
    **_WANTED,
    **_TIMES,
    "pipeline": Column(TEXT, "record", lambda record: pipeline_of(record.task)),
    **_same(TEXT, "run", "state", "reason", "error"),
    **_same(COUNT, "failures", "losses", "again"),
    **_same(BOOL, "late"),
    **_same(MAYBE, "due_at", "retry_at"),
    "attempt": _its(COUNT, "number"),
    "updated_at": _told(MOMENT, attrgetter("at")),
    "ran_ms": _told(LENGTH, ran_ms),
    **_same(UPSTREAM, "upstream"),
    "result": _told(JSON, attrgetter("result")),
    "result_cut": _told(BOOL, attrgetter("cut")),
    **_same(ID_OR_NONE, "retry_of"),
}
"""Executions as of a step."""

ATTEMPTS = {
    **_STEP,
    **_TIMES,
    "state": _told(TEXT, state_of_try),
    "error": _told(TEXT, error_of_try),
    "returned": _told(BOOL, lambda move: move.what == "returned"),
}
"""Newest attempts of executions as of a step."""

TASKS = {
    **_WANTED,
    "task": _its(TEXT, "id"),
    "pipeline": Column(TEXT, "record", lambda task: pipeline_of(task.id)),
    **_same(UPSTREAM_TASKS, "upstream"),
    "retries": _its(COUNT, "retry.limit"),
    **_same(TEXT, "description"),
    **_same(JSON, "call", "payload"),
    "created_at": _told(MOMENT, attrgetter("at")),
    "deleted": _told(BOOL, lambda event: isinstance(event, TaskDeleted)),
    "position": _POSITION,
}
"""Definitions; a deletion stands beside the definition."""

PIPELINES = {
    "pipeline": _its(TEXT, "id"),
    **_same(TEXTS, "tasks"),
    **_same(TEXT, "description"),
    "created_at": _its(MOMENT, "at"),
}

LOGS = {
    **_same(ID, "execution"),
    **_same(COUNT, "attempt"),
    **_same(LARGE, "seq"),
    **_same(MOMENT, "at"),
    **_same(TEXT, "stream", "level", "text", "worker"),
}
"""Lines of output."""

PROGRESS = {"topic": Column(TEXT, "record"), "partition": _PARTITION, "next_offset": _POSITION}
"""How far a topic has come: its record is its name."""

TABLES: dict[str, dict[str, Column]] = {
    "events": EVENTS,
    "executions": EXECUTIONS,
    "attempts": ATTEMPTS,
    "tasks": TASKS,
    "pipelines": PIPELINES,
    "logs": LOGS,
    "progress": PROGRESS,
}
"""What is written of each table; the rest ClickHouse fills in by itself."""


def arrow(table: str, sources: Collection[Source]) -> pa.Table:
    """Rows of a table, one for each source, at least one. Raises UnreadableRowsError where a value has no place."""
    parts = dict(zip(Source._fields, zip(*sources, strict=True), strict=True))
    arrays = {}
    for name, (kind, part, get) in TABLES[table].items():
        try:
            arrays[name] = kind(list(map(get, parts[part])) if get else parts[part])
        except ValueError as error:
            raise UnreadableRowsError(f"{table}: {name} {error}") from error
    return pa.table(arrays)
