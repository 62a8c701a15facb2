"""From rows of ClickHouse to the views that people read."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import msgspec
from pydantic import JsonValue

from pipelines.views import (
    TERMINAL_STATES,
    AttemptView,
    EventView,
    ExecutionRow,
    LogView,
    MinuteView,
    PipelineView,
    RunView,
    StateName,
    TaskView,
    UpstreamView,
)

Row = dict[str, Any]

LIST_COLUMNS = tuple(ExecutionRow.model_fields)
"""Columns of the view `executions` that a list shows."""

ENDED = TERMINAL_STATES
_WAITS = frozenset({"waiting", "dispatched"})
JSON_INTEGER = 2**53
"""Larger integers become text, since most readers of JSON would round them."""


def execution_row(row: Row, now: datetime) -> ExecutionRow:
    """An execution in a list; its wait and its run so far, while they last."""
    return ExecutionRow(**execution_fields(row, now))


def execution_fields(row: Row, now: datetime) -> Row:
    """The fields that lists and the single view share."""
    fields = {name: row[name] for name in LIST_COLUMNS}
    fields["execution"] = str(row["execution"])
    for name in ("pipeline", "worker", "reason", "error"):
        fields[name] = row[name] or None
    return fields | _so_far(row, now)


def attempt(row: Row, now: datetime) -> AttemptView:
    """One try; its wait and its run so far, while they last."""
    fields = {name: row[name] for name in AttemptView.model_fields}
    fields |= {"worker": row["worker"] or None, "error": row["error"] or None}
    return AttemptView(**fields | _so_far(row, now))


def _so_far(row: Row, now: datetime) -> Row:
    """What lasts still: the wait, or the run."""
    if row["state"] in _WAITS and row["ready_at"]:
        return {"waited_ms": _since(row["ready_at"], now)}
    if row["state"] == "running" and row["started_at"]:
        return {"ran_ms": _since(row["started_at"], now)}
    return {}


def event(row: Row) -> EventView:
    """A transition."""
    return EventView(
        at=row["at"],
        what=row["what"],
        state=row["state"],
        attempt=row["attempt"],
        worker=row["worker"] or None,
        reason=row["reason"] or None,
        error=row["error"] or None,
    )


def log_line(row: Row) -> LogView:
    """A line of output; its cursor is its attempt and its number."""
    return LogView(
        cursor=f"{row['attempt']}.{row['seq']}",
        at=row["at"],
        attempt=row["attempt"],
        stream=row["stream"],
        level=row["level"] or None,
        text=row["text"],
    )


def minute(row: Row) -> MinuteView:
    """A minute, or a longer step, of history."""
    waits, runs = ([None if math.isnan(q) else q for q in row[name]] for name in ("waits", "runs"))
    return MinuteView(
        minute=row["start"],
        created=row["created"],
        succeeded=row["succeeded"],
        failed=row["failed"],
        other=row["other"],
        late=row["late"],
        waited_p50_ms=waits[0],
        waited_p99_ms=waits[1],
        ran_p50_ms=runs[0],
        ran_p99_ms=runs[1],
    )


def task(row: Row) -> TaskView:
    """A definition."""
    return TaskView(
        task=row["task"],
        kind=row["kind"],
        priority=row["priority"],
        pool=row["pool"],
        queue=row["queue"],
        owner=row["owner"],
        trigger=row["trigger"],
        upstream=tuple(f"{u['task']} in {u['run']}" if u["run"] else u["task"] for u in row["upstream"]),
        description=row["description"],
        created_at=row["created_at"],
        deleted=row["deleted"],
        call=value(row["call"]),
        payload=value(row["payload"]),
    )


def pipeline(row: Row) -> PipelineView:
    """A pipeline."""
    return PipelineView(**{**row, "tasks": tuple(row["tasks"])})


def run(row: Row) -> RunView:
    """A run of a pipeline."""
    return RunView(**row)


def upstream(execution: UUID, task_id: str, state: str) -> UpstreamView:
    """An execution that another one waits for, or the other way round; an empty state is not known yet."""
    return UpstreamView(execution=str(execution), task=task_id, state=cast("StateName", state) if state else None)


def value(json: str) -> JsonValue:
    """JSON text as a value; no text is none. Text that is no JSON is shown as it is."""
    if not json:
        return None
    try:
        return cast("JsonValue", msgspec.json.decode(json))
    except msgspec.DecodeError:
        return json


def plain(cell: Any) -> JsonValue:  # noqa: PLR0911  (one line a kind of value)
    """A value of a query as JSON. Times are ISO 8601; what JSON cannot hold becomes text, or none (infinite, NaN)."""
    if cell is None or isinstance(cell, bool | str):
        return cell
    if isinstance(cell, int):
        return cell if -JSON_INTEGER <= cell <= JSON_INTEGER else str(cell)
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, datetime | date | time):
        return _moment(cell)
    if isinstance(cell, dict):
        return {str(key): plain(item) for key, item in cell.items()}
    if isinstance(cell, list | tuple | set):
        return [plain(item) for item in cell]
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    return _other(cell)


def _other(cell: Any) -> JsonValue:
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, Enum):
        return plain(cell.value)
    if isinstance(cell, Decimal | UUID):
        return str(cell)
    return plain(cell.item()) if hasattr(cell, "item") else str(cell)


def _moment(cell: date | time) -> str:
    if isinstance(cell, datetime) and cell.tzinfo is None:
        cell = cell.replace(tzinfo=UTC)
    return cell.isoformat()


def _since(moment: datetime, now: datetime) -> int:
    return max(round((now - moment).total_seconds() * 1000), 0)
