"""Executions by minute, counted from the executions themselves.

A minute is counted again whenever rows of it were written since the last count, so the roll-up cannot drift from what
it sums up: a repeated batch, a crash between two inserts or an event that comes hours late all end in the same figures.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from sinks.record.client import Names

MARGIN = timedelta(seconds=30)
"""A row may become visible this much later than the moment that it carries."""

CHUNK = 500
"""Minutes that one statement counts."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_TOUCHED = """
SELECT DISTINCT arrayJoin([toStartOfMinute(created_at), toStartOfMinute(ifNull(finished_at, created_at))]) AS minute
FROM {raw}.executions WHERE recorded_at >= {since:DateTime64(3, 'UTC')} ORDER BY minute
"""

_COUNT = """
INSERT INTO {raw}.minutes
SELECT
    minute,
    countIf(is_new) AS created,
    countIf(state = 'succeeded') AS succeeded,
    countIf(state = 'failed') AS failed,
    countIf(state = 'lost') AS lost,
    countIf(state = 'cancelled') AS cancelled,
    countIf(state = 'skipped') AS skipped,
    countIf(state = 'upstream_failed') AS upstream_failed,
    countIf(late) AS late,
    quantilesTDigestState(0.5, 0.99)(waited_ms) AS waited,
    quantilesTDigestState(0.5, 0.99)(ran_ms) AS ran,
    {at:DateTime64(3, 'UTC')} AS counted_at
FROM
(
    SELECT toStartOfMinute(created_at) AS minute, true AS is_new, '' AS state, false AS late,
        CAST(NULL, 'Nullable(UInt64)') AS waited_ms, CAST(NULL, 'Nullable(UInt64)') AS ran_ms
    FROM {main}.executions
    WHERE created_at >= {first:DateTime64(3, 'UTC')} AND created_at < {end:DateTime64(3, 'UTC')}
        AND minute IN {minutes:Array(DateTime('UTC'))}
    UNION ALL
    SELECT toStartOfMinute(assumeNotNull(finished_at)) AS minute, false, state, late, waited_ms, ran_ms
    FROM {main}.executions
    WHERE state IN ('succeeded', 'failed', 'lost', 'cancelled', 'skipped', 'upstream_failed')
        AND finished_at >= {first:DateTime64(3, 'UTC')} AND finished_at < {end:DateTime64(3, 'UTC')}
        AND minute IN {minutes:Array(DateTime('UTC'))}
    UNION ALL
    SELECT arrayJoin({minutes:Array(DateTime('UTC'))}) AS minute, false, '', false, NULL, NULL
)
GROUP BY minute
"""


class RollUp:
    """Counts minutes. Blocks: for a thread, not for an event loop."""

    def __init__(self, client: Client, names: Names) -> None:
        self._client = client
        self._names = names
        self._counted: datetime | None = None

    def count(self) -> int:
        """Count all minutes that rows came for since the last count; returns how many. Raises ClickHouseError."""
        now, last = self._ask("SELECT now64(3, 'UTC')"), self._last()
        minutes = self._touched(last - MARGIN)
        for start in range(0, len(minutes), CHUNK):
            over = start + CHUNK >= len(minutes)  # until then, a process that goes on for another one counts all again
            self._count(minutes[start : start + CHUNK], now if over else last)
        self._counted = now
        return len(minutes)

    def _last(self) -> datetime:
        if self._counted is None:
            self._counted = self._ask(self._names.fill("SELECT max(counted_at) FROM {raw}.minutes"))
        return max(self._counted, NEVER + MARGIN)

    def _ask(self, sql: str) -> datetime:
        moment: datetime = self._client.query(sql).result_rows[0][0]
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _touched(self, since: datetime) -> list[datetime]:
        rows = self._client.query(self._names.fill(_TOUCHED), parameters={"since": since}).result_rows
        return [row[0] for row in rows]

    def _count(self, minutes: Sequence[datetime], now: datetime) -> None:
        parameters = {"minutes": minutes, "first": minutes[0], "end": minutes[-1] + timedelta(minutes=1), "at": now}
        self._client.command(self._names.fill(_COUNT), parameters=parameters)
