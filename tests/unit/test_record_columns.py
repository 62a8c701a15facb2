"""What each table gets of a batch, without an engine."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pipelines.ids import execution_id, pipeline_of
from sinks.record.batch import Batch
from sinks.record.columns import Source, UnreadableRowsError, arrow
from streams.engine.events import LogLine, Moved, PipelineCreated, TaskCreated, TaskDeleted
from streams.engine.records import Execution, TaskDef

ID = execution_id("p.a", "r1")


def moved(what: str, **fields: Any) -> Moved:
    """A step of the one execution of these tests."""
    base = {"task": "p.a", "run": "r1", "kind": "python", "state": "waiting", "created_at": 1000}
    return Moved(what, 2500, Execution(ID, **{**base, **fields}))


def tables(*events: Any, offset: int = 3, logs: bool = False) -> dict[str, list[dict[str, Any]]]:
    """The rows of one message, by table, as dictionaries."""
    batch = Batch()
    batch.add(logs, 1, offset, msgspec.msgpack.encode(list(events)))
    return {table: arrow(table, sources).to_pylist() for table, sources in batch.tables()}


def milliseconds(moment: datetime | None) -> int | None:
    """A time as it was."""
    return moment and round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def test_only_the_newest_step_becomes_the_execution() -> None:
    """Three steps are three events, one execution and one attempt."""
    given = {"state": "dispatched", "attempt": 1, "dispatched_at": 2000, "version": 2}
    found = tables(moved("created"), moved("assigned", **given), moved("late", **{**given, "version": 3, "late": True}))
    assert [row["what"] for row in found["events"]] == ["created", "assigned", "late"]
    assert [(row["version"], row["late"]) for row in found["executions"]] == [(3, True)]
    assert [(row["attempt"], row["state"]) for row in found["attempts"]] == [(1, "dispatched")]


def test_inner_steps_are_not_recorded() -> None:
    """Steps that change nothing that people look at leave no row at all."""
    assert tables(moved("upstream_finished"), moved("retried")) == {}


def test_executions_are_written_last() -> None:
    """Whoever sees an execution in a state finds what led there."""
    assert list(tables(moved("created"), TaskCreated(TaskDef("p.a", "python"), 1)))[-1] == "executions"


def test_positions_grow_within_and_between_messages() -> None:
    """A place in Kafka is one number, which stands in the history: offset x 1,048,576 + index."""
    first = tables(moved("created"), moved("ready"), offset=7)["events"]
    later = tables(moved("late"), offset=8)["events"]
    assert [row["position"] for row in first + later] == [7 * 1_048_576, 7 * 1_048_576 + 1, 8 * 1_048_576]
    assert {row["partition"] for row in first} == {1}


def test_times_are_milliseconds_and_what_is_not_known_is_none() -> None:
    """They stay as they are, and 0 does not become 1970."""
    (row,) = tables(moved("created", ready_at=1_763_900_000_123))["executions"]
    times = [milliseconds(row[name]) for name in ("created_at", "ready_at", "started_at")]
    assert (times, row["timeout_ms"]) == ([1000, 1_763_900_000_123, None], None)


@pytest.mark.parametrize(
    ("what", "fields", "state"),
    [
        ("retrying", {"state": "retrying", "dispatched_at": 5, "finished_at": 9, "retry_at": 20}, "failed"),
        (
            "retrying",
            {"state": "retrying", "dispatched_at": 5, "finished_at": 9, "retry_at": 209, "losses": 1},
            "failed",
        ),
        ("cancelled", {"state": "cancelled", "dispatched_at": 5, "finished_at": 9}, "cancelled"),
        ("cancelled", {"state": "cancelled", "dispatched_at": 5, "finished_at": 9, "retry_at": 20}, None),
        ("ready", {"state": "waiting"}, None),
        ("returned", {"state": "waiting"}, "waiting"),
        ("lost", {"state": "lost", "dispatched_at": 5, "finished_at": 9}, "lost"),
    ],
)
def test_what_a_step_says_of_its_attempt(what: str, fields: dict[str, Any], state: str | None) -> None:
    """An attempt that failed, or was lost with its worker, stays so, whatever ends the execution."""
    rows = tables(moved(what, attempt=1, **fields)).get("attempts", [])
    assert [row["state"] for row in rows] == ([state] if state else [])


def test_an_attempt_that_went_with_its_worker_is_lost() -> None:
    """The engine says so: that its worker was lost before, or when the next attempt comes, says nothing of this one."""
    step = msgspec.structs.replace(moved("retrying", state="retrying", attempt=1, dispatched_at=5), lost=True)
    (row,) = tables(step)["attempts"]
    assert row["state"] == "lost"


@pytest.mark.parametrize(
    ("what", "state", "error"),
    [
        ("started", "running", ""),
        ("cancelled", "cancelled", ""),
        ("retrying", "retrying", "e"),
        ("failed", "failed", "e"),
    ],
)
def test_an_attempt_has_no_error_but_its_own(what: str, state: str, error: str) -> None:
    """The record keeps the last attempt's error while the next one runs; that one's row does not have it."""
    (row,) = tables(moved(what, attempt=2, state=state, error="e", dispatched_at=5))["attempts"]
    assert row["error"] == error


def test_a_task_that_comes_along_is_no_definition() -> None:
    """A submitted task runs once and is not kept: its event has call and payload, the table of tasks has nothing."""
    first = moved("created")
    whole = Moved(
        "created", 2500, first.execution, call=b'{"code":"1"}', payload=b"[1]", task_def=TaskDef("p.a", "python")
    )
    found = tables(whole)
    assert not found.get("tasks")
    assert [(e["call"], e["payload"]) for e in found["events"]] == [(b'{"code":"1"}', b"[1]")]


def test_definitions_and_lines() -> None:
    """Tasks, deletions, pipelines and output have rows of their own."""
    found = tables(
        TaskCreated(TaskDef("solo", "shell"), 1000), TaskDeleted("p.a", 2000), PipelineCreated("p", ("p.a",), 1)
    )
    assert [(t["task"], t["pipeline"], t["deleted"]) for t in found["tasks"]] == [
        ("solo", "", False),
        ("p.a", "p", True),
    ]
    assert [p["tasks"] for p in found["pipelines"]] == [["p.a"]]
    (line,) = tables(LogLine(ID, 1, 4, 1500, "stdout", "", 'tab\tand "quotes"\x00', "w"), logs=True)["logs"]
    assert (line["seq"], milliseconds(line["at"]), line["text"]) == (4, 1500, 'tab\tand "quotes"\x00')


def test_the_pipeline_is_the_part_before_the_first_dot() -> None:
    """A task without a dot has none."""
    assert [pipeline_of(task) for task in ("p.a.b", "solo", "p.")] == ["p", "", "p"]


def test_garbage_is_an_error_of_the_decoder() -> None:
    """Only msgspec's own errors leave a message that is none of ours."""
    for garbage in (b"", b"\xc1", b"\x00", msgspec.msgpack.encode([["mv"]]), msgspec.msgpack.encode([["zz", 1]])):
        with pytest.raises(msgspec.DecodeError):
            Batch().add(False, 0, 0, garbage)


def test_text_of_others_is_utf8() -> None:
    """JSON goes through as it is; what is no UTF-8 does not reach a column."""
    found = tables(moved("created"), Moved("created", 1, moved("x").execution, payload="ü".encode(), call=b"\xff"))
    assert [(row["payload"], row["call"]) for row in found["events"]] == [(b"", b""), ("ü".encode(), "\ufffd".encode())]


@pytest.mark.parametrize(
    "fields",
    [
        {"version": -1},
        {"priority": 10},
        {"attempt": 2**32},
        {"max_latency": -5},
        {"timeout": 2**63},
        {"due_at": 2**62},
        {"created_at": -1},
    ],
    ids=str,
)
def test_a_number_that_no_column_holds_is_refused_by_its_name(fields: dict[str, int]) -> None:
    """ClickHouse would take it and wrap it around."""
    (name,) = fields
    sources = [Source(step.execution, step) for step in (moved("created"), moved("created", **fields))]
    with pytest.raises(UnreadableRowsError, match=f"executions: {name}\\S* .* does not fit: 0 to"):
        arrow("executions", sources)
