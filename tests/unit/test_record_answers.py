"""Filters, cursors, values and messages, without an engine."""

import base64
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from pipelines.requests import ExecutionFilter
from sinks.record.answers import plain, value
from sinks.record.client import Names
from sinks.record.errors import SHOWN, shortened
from sinks.record.filters import BadCursorError, Cursor, condition
from sinks.record.migrate import migrations

ONE = UUID(int=1)


def test_migrations_are_numbered_without_a_gap() -> None:
    """Files apply in the order of their numbers, each number once."""
    assert [m.version for m in migrations()] == list(range(1, len(migrations()) + 1))


def test_statements_are_cut_at_their_ends() -> None:
    """Comments are no statements, and none is empty."""
    for migration in migrations():
        statements = list(migration.statements())
        assert statements
        assert all(s.split()[0] in ("CREATE", "ALTER") for s in statements)


def test_names_follow_the_namespace() -> None:
    """Two namespaces on one server have databases of their own."""
    assert Names.under("head-race") == Names("head_race", "head_race_raw")


def test_a_filter_becomes_a_condition_with_parameters() -> None:
    """Values never stand in the text of the statement."""
    wanted = ExecutionFilter(state=("failed",), task="it's; DROP", late=True, since=datetime(2026, 1, 1, tzinfo=UTC))
    text, parameters = condition(wanted)
    assert "DROP" not in text
    assert parameters == {"state": ["failed"], "task": "it's; DROP", "late": True, "since": wanted.since}
    assert condition(ExecutionFilter()) == ("true", {})


def test_a_cursor_comes_back_as_it_was() -> None:
    """The place and the moment of comparison survive the way through the address."""
    first = Cursor("priority", None)
    text = first.behind((-5, 1000, "p.load", ONE))
    clause, parameters = Cursor("priority", text).condition()
    assert [parameters[f"after_{n}"] for n in range(4)] == [-5, 1000, "p.load", str(ONE)]
    assert abs(parameters["now"] - first.condition()[1]["now"]) < timedelta(milliseconds=1)
    assert "after_2:String}, {after_3:UUID" in clause


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "%%%",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b'["newest", 1, 2]').decode(),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """A person reads what is wrong, not a traceback."""
    with pytest.raises(BadCursorError, match="cursor"):
        Cursor("newest", text)


def test_a_cursor_of_another_order_is_refused() -> None:
    """Continuing in another order would skip and repeat."""
    text = Cursor("oldest", None).behind((1, "t", ONE))
    with pytest.raises(BadCursorError, match="belongs to the order 'oldest'"):
        Cursor("newest", text)


@pytest.mark.parametrize(
    ("cell", "json"),
    [
        (None, None),
        (True, True),
        (2**53, 2**53),
        (2**53 + 1, str(2**53 + 1)),
        (math.nan, None),
        (-math.inf, None),
        (Decimal("1.50"), "1.50"),
        (ONE, str(ONE)),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00+00:00"),  # noqa: DTZ001  (ClickHouse gives such ones)
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=1.5), 1.5),
        ({1: (ONE, b"\xff")}, {"1": [str(ONE), "\\xff"]}),
        ([[1], {2}], [[1], [2]]),
    ],
)
def test_values_of_a_query_as_json(cell: Any, json: Any) -> None:
    """What JSON cannot hold becomes text or none, never something else."""
    assert plain(cell) == json
    msgspec.json.encode(plain(cell))


def test_stored_json_that_is_none_is_shown_as_text() -> None:
    """A broken payload is still to be seen."""
    assert [value(text) for text in ("", "[1]", "null", "{broken")] == [None, [1], None, "{broken"]


def test_messages_of_clickhouse_are_shortened() -> None:
    """Frames, the statement, settings and versions go; the sentence and the error's name stay."""
    long = (
        "Code: 60. DB::Exception: Unknown table 'x' SETTINGS max_execution_time = '1', readonly = '1'. (UNKNOWN_TABLE)"
    )
    assert shortened(long) == "Unknown table 'x'. (UNKNOWN_TABLE)"
    scope = "Code: 47. DB::Exception: Unknown expression identifier `stat`. In scope SELECT stat FROM a. (UNKNOWN_ID)"
    assert shortened(scope) == "Unknown expression identifier `stat`. (UNKNOWN_ID)"
    meant = "Unknown table expression identifier 'x'. Maybe you meant y? In scope SELECT * FROM x. (UNKNOWN_TABLE)"
    assert shortened(meant) == "Unknown table expression identifier 'x'. Maybe you meant y? (UNKNOWN_TABLE)"
    syntax = (
        "Syntax error: failed at position 7 (1): 1. Expected one of: token sequence, Dot, end of query. (SYNTAX_ERROR)"
    )
    assert shortened(syntax) == "Syntax error: failed at position 7 (1): 1. (SYNTAX_ERROR)"
    assert len(shortened("y" * 5000)) == SHOWN
