"""People's own SQL: checked, limited, and given back as JSON."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from pipelines.views import QueryAnswer
from sinks.record import answers
from sinks.record.client import Names
from sinks.record.guard import bound, check

MEMORY_BYTES = 2 * 1024**3
"""Memory that one statement may take."""

ANSWERING = re.compile(r"\(*(SELECT|WITH|SHOW|DESCRIBE|EXISTS|EXPLAIN)\b")
"""Statements that have rows for an answer; the others only do something."""

DISK_BYTES = 20 * 1024**3
"""Bytes that one statement may read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may give back and take."""

    rows: int
    seconds: float

    def settings(self) -> dict[str, Any]:
        """ClickHouse's settings for them."""
        return {
            "max_execution_time": max(self.seconds, 0.001),
            "timeout_overflow_mode": "throw",
            "max_result_rows": self.rows + 1,
            "result_overflow_mode": "break",
            "max_memory_usage": MEMORY_BYTES,
            "max_bytes_to_read": DISK_BYTES,
        }


def run_statement(
    client: Client, names: Names, sql: str, parameters: Mapping[str, Any], limits: Limits, *, writes: bool
) -> QueryAnswer:
    """The rows of a statement. Raises QueryRefusedError where it may not run, ClickHouseError where it fails."""
    begun = time.perf_counter()
    text = check(client, names, sql, parameters, writes=writes)
    settings, given = limits.settings() | ({} if writes else {"readonly": 1}), bound(text, parameters)
    if writes and not ANSWERING.match(text):
        client.command(text, parameters=given, settings=settings)
        return QueryAnswer(columns=(), types=(), rows=(), elapsed_ms=_since(begun))
    result = client.query(text, parameters=given, settings=settings)
    rows = list(result.result_rows[: limits.rows])
    return QueryAnswer(
        columns=tuple(result.column_names),
        types=tuple(kind.name for kind in result.column_types),
        rows=tuple(tuple(answers.plain(cell) for cell in row) for row in rows),
        cut=len(result.result_rows) > limits.rows,
        elapsed_ms=_since(begun),
        read_rows=int(result.summary["read_rows"]) if "read_rows" in result.summary else None,
    )


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 3)
