"""What people ask of the history: the read side of the HTTP edge.

Questions run in threads with clients of their own, so neither the event loop nor the recorder waits for them, and
people's own SQL does not hold up the dashboard. All of them raise ClickHouseAwayError where ClickHouse does not answer
and QueryFailedError where it could not do what was asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from clickhouse_connect.driver.client import Client

from pipelines.ids import execution_id
from pipelines.model import Delivery
from pipelines.requests import ExecutionFilter, ExecutionQuery
from pipelines.views import (
    EventView,
    ExecutionPage,
    ExecutionRow,
    ExecutionView,
    LogView,
    MinuteView,
    PipelineView,
    QueryAnswer,
    RunView,
    StateName,
    TaskView,
    UpstreamView,
)
from sinks.record import answers
from sinks.record.answers import Row
from sinks.record.asking import Asking, Fresh, as_it_is
from sinks.record.client import Names
from sinks.record.filters import Cursor, condition
from sinks.record.sql import Limits, run_statement
from streams.settings import Settings

T = TypeVar("T")

QUESTIONS = 3
"""Questions of ours that ClickHouse answers at once; further ones wait."""

STATEMENTS = 2
"""People's own statements that run at once; further ones wait."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is older."""

RELATED = 1000
"""Downstream executions that one view names at most."""

IDS, NAMES = 2500, 500
"""Ids and tasks that one question names at most: a server takes no parameter above 128 KiB
(http_max_field_value_size)."""

_MOMENT = "DateTime64(3, 'UTC')"
_LIST = ", ".join(answers.LIST_COLUMNS)
_ENDED = "('succeeded', 'failed', 'lost', 'cancelled', 'skipped', 'upstream_failed')"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many executions stand where now, how those ended that ended since a moment, and what is or gets late."""

    now: dict[StateName, int]
    ended: dict[StateName, int]
    late_now: int
    late_next_5_min: int
    failed: int
    per_second: float


class History:
    """ClickHouse's answers as views. Opens its clients when the first question comes.

    Before each question `fresh` is awaited: it has a recorder write what it gathers.
    """

    def __init__(self, settings: Settings, fresh: Fresh = as_it_is) -> None:
        self._names = Names.under(settings.namespace)
        self._asking = Asking(settings, "history", QUESTIONS, fresh)
        self._reading = Asking(settings, "sql", STATEMENTS, fresh)
        self._writing = Asking(settings, "sql-writes", STATEMENTS, fresh)

    async def close(self) -> None:
        """Wait for the questions under way and let the clients go."""
        await asyncio.gather(self._asking.close(), self._reading.close(), self._writing.close())

    async def execution(self, execution: bytes) -> ExecutionView | None:
        """One execution with its attempts, upstream, downstream, payload and result; none: there is no such one."""
        known = {"id": UUID(bytes=execution)}
        rows = await self._rows(_ONE, **known)
        if not rows:
            return None
        row, now = rows[0], datetime.now(UTC)
        known["created"] = row["created_at"]
        attempts, made, upstream, downstream, again = await asyncio.gather(
            self._of(known, "SELECT * FROM {main}.attempts", "ORDER BY attempt"),
            self._of(known, "SELECT call, payload FROM {main}.events", "AND what = 'created'"),
            self._states([u["execution"] for u in row["upstream"]]),
            self._downstream(row),
            self._retry(row),
        )
        return ExecutionView(
            **answers.execution_fields(row, now),
            trigger=row["trigger"],
            delivery=Delivery.of(row["at_most_once"]),
            upstream=tuple(
                answers.upstream(u["execution"], u["task"], u["state"] or upstream.get(u["execution"], ""))
                for u in row["upstream"]
            ),
            downstream=downstream,
            attempts=tuple(answers.attempt(one, now) for one in attempts),
            call=answers.value(made[0]["call"]) if made else None,
            payload=answers.value(made[0]["payload"]) if made else None,
            result=answers.value(row["result"]),
            result_cut=row["result_cut"],
            retry_of=str(row["retry_of"]) if row["retry_of"] else None,
            retried_as=again,
        )

    async def executions(self, query: ExecutionQuery) -> ExecutionPage:
        """A page of the executions that match, and how many match in all. Raises BadCursorError."""
        cursor = Cursor(query.order, query.cursor)
        where, parameters = condition(query)
        behind, place = cursor.condition()
        keys = ", ".join(cursor.keys)
        sql = f"SELECT {_LIST}, ({keys}) AS place FROM {{main}}.executions WHERE {where} AND {behind}"  # noqa: S608  (ours)
        rows = await self._rows(f"{sql} ORDER BY {keys} LIMIT {query.limit + 1}", **parameters, **place)
        whole = query.cursor is None and len(rows) <= query.limit
        total = len(rows) if whole else await self.count(query)  # a second question sees a later moment
        page, more = rows[: query.limit], rows[query.limit :]
        now = datetime.now(UTC)
        return ExecutionPage(
            items=tuple(answers.execution_row(row, now) for row in page),
            total=total,
            next=cursor.behind(page[-1]["place"]) if more else None,
        )

    async def rows(self, executions: Sequence[bytes]) -> list[ExecutionRow]:
        """Those of the executions that are known, as in a list, of one id the newest last."""
        now = datetime.now(UTC)
        return [answers.execution_row(row, now) for row in await self._each(_SOME, executions)]

    async def upstream(self, executions: Sequence[bytes]) -> dict[str, list[str]]:
        """What the executions wait for, or did; ids as text."""
        which = "WHERE execution IN {ids:Array(UUID)} ORDER BY created_at"
        sql = f"SELECT execution, upstream.execution AS upstream FROM {{main}}.executions {which}"  # noqa: S608  (ours)
        rows = await self._each(sql, executions)
        return {str(row["execution"]): [*map(str, row["upstream"])] for row in rows}

    async def count(self, wanted: ExecutionFilter) -> int:
        """How many executions match."""
        where, parameters = condition(wanted)
        sql = f"SELECT count() AS n FROM {{main}}.executions WHERE {where}"  # noqa: S608  (our own text)
        return int((await self._rows(sql, **parameters))[0]["n"])

    async def events(self, execution: bytes, born: datetime = BEGINNING) -> list[EventView]:
        """An execution's transitions, in order: those of its newest life, unless that was born before `born`."""
        rows = await self._rows(_EVENTS, id=UUID(bytes=execution), born=born)
        return [answers.event(row) for row in rows]

    async def output_since(self, execution: bytes, born: datetime) -> datetime:
        """From when on lines are of the life born then: half way from the end of the one before, if there was one.

        Workers and those who submit have clocks of their own, and two lives are far apart.
        """
        row = (await self._rows(_BEFORE, id=UUID(bytes=execution), born=born))[0]
        return row["ended"] + (born - row["ended"]) / 2 if row["lives"] else BEGINNING

    async def logs(
        self, execution: bytes, after: str = "", limit: int = 500, since: datetime = BEGINNING
    ) -> list[LogView]:
        """Lines of output behind a cursor ("": from the first). Raises ValueError where the cursor is none of ours."""
        attempt, seq = _log_place(after)
        rows = await self._rows(
            "SELECT * FROM {main}.logs WHERE execution = {id:UUID} AND (attempt, seq) > ({attempt:Int64}, {seq:Int64}) "
            "AND at >= {since:DateTime64(3, 'UTC')} ORDER BY attempt, seq LIMIT {limit:UInt32}",
            id=UUID(bytes=execution),
            attempt=attempt,
            seq=seq,
            limit=limit,
            since=since,
        )
        return [answers.log_line(row) for row in rows]

    async def minutes(
        self, since: datetime, until: datetime, step: timedelta = timedelta(minutes=1)
    ) -> list[MinuteView]:
        """History by steps of whole minutes; steps in which nothing happened are left out."""
        rows = await self._rows(_MINUTES, since=since, until=until, step=max(round(step / timedelta(minutes=1)), 1))
        return [answers.minute(row) for row in rows]

    async def counts(self, since: datetime) -> Counts:
        """The figures of the overview; each equals the length of the list that the same filter gives."""
        live, ended, rate = await asyncio.gather(
            self._rows(_LIVE, now=datetime.now(UTC)), self._rows(_OVER, since=since), self._rows(_RATE)
        )
        states = {row["state"]: row["n"] for row in ended}
        return Counts(
            now={row["state"]: row["n"] for row in live},
            ended=states,
            late_now=sum(row["late_now"] for row in live),
            late_next_5_min=sum(row["late_next"] for row in live),
            failed=states.get("failed", 0),
            per_second=rate[0]["rate"],
        )

    async def tasks(self, pipeline: str | None = None, limit: int = 100, after: str = "") -> list[TaskView]:
        """Tasks that exist, by their id: those behind `after`."""
        which = "AND pipeline = {pipeline:String}" if pipeline is not None else ""
        rows = await self._rows(
            f"SELECT * FROM {{main}}.tasks WHERE NOT deleted AND task > {{after:String}} {which} "  # noqa: S608  (ours)
            "ORDER BY task LIMIT {limit:UInt32}",
            pipeline=pipeline or "",
            limit=limit,
            after=after,
        )
        return [answers.task(row) for row in rows]

    async def task(self, task: str) -> TaskView | None:
        """A task, deleted or not; none: there never was one."""
        rows = await self._rows("SELECT * FROM {main}.tasks WHERE task = {task:String}", task=task)
        return answers.task(rows[0]) if rows else None

    async def pipelines(self) -> list[PipelineView]:
        """Pipelines that have a task which is not deleted, by their id."""
        rows = await self._rows(_PIPELINES)
        return [answers.pipeline(row) for row in rows]

    async def pipeline(self, pipeline: str) -> PipelineView | None:
        """A pipeline; none: there is no such one."""
        rows = await self._rows("SELECT * FROM {main}.pipelines WHERE pipeline = {id:String}", id=pipeline)
        return answers.pipeline(rows[0]) if rows else None

    async def keeps(self, tasks: Sequence[str]) -> bool:
        """Whether one of these tasks exists and is not deleted."""
        kept = "SELECT 1 FROM {main}.tasks WHERE NOT deleted AND task IN {tasks:Array(String)} LIMIT 1"
        return any([await self._rows(kept, tasks=part) for part in _parts(list(tasks), NAMES)])

    async def runs(self, pipeline: str, limit: int = 25) -> list[RunView]:
        """The newest runs of a pipeline, newest first."""
        return [answers.run(row) for row in await self._rows(_RUNS, pipeline=pipeline, limit=limit)]

    async def sql(
        self,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limit_rows: int = 10_000,
        timeout: float = 30.0,  # noqa: ASYNC109  (ClickHouse itself keeps it)
        writes: bool = False,
    ) -> QueryAnswer:
        """People's own statement; `timeout` in seconds, read-only unless it `writes`. More rows than the limit are cut.

        Raises QueryRefusedError, which says why the statement may not run, and what all questions raise.
        """
        limits = Limits(rows=limit_rows, seconds=timeout)
        asking = self._writing if writes else self._reading

        def run(client: Client) -> QueryAnswer:
            return run_statement(client, self._names, query, parameters or {}, limits, writes=writes)

        return await asking.ask(run)

    async def _rows(self, sql: str, **parameters: Any) -> list[Row]:
        return await self._asking.rows(sql, parameters)

    async def _each(self, sql: str, executions: Sequence[bytes]) -> list[Row]:
        """Rows of many executions, whose ids the statement names as {ids}; at least one question is asked."""
        parts = _parts([UUID(bytes=e) for e in executions], IDS)
        return [row for part in parts for row in await self._rows(sql, ids=part)]

    async def _of(self, known: Mapping[str, Any], select: str, rest: str) -> list[Row]:
        """Rows of one execution: the moment of its creation is the first part of their keys."""
        where = f"WHERE execution = {{id:UUID}} AND created_at = {{created:{_MOMENT}}}"
        return await self._rows(f"{select} {where} {rest}", **known)

    async def _states(self, executions: Sequence[UUID]) -> dict[UUID, str]:
        """How executions stand; those that are not known are left out."""
        if not executions:
            return {}
        sql = "SELECT execution, state FROM {main}.executions WHERE execution IN {ids:Array(UUID)} ORDER BY created_at"
        rows = await self._rows(sql, ids=list(executions))
        return {row["execution"]: row["state"] if row["state"] in answers.ENDED else "" for row in rows}

    async def _retry(self, row: Row) -> str | None:
        """The execution that a retry by hand of this one has made; one of an earlier life of its id was made before."""
        which = "WHERE execution = {id:UUID} AND created_at >= {ended:DateTime64(3, 'UTC')} LIMIT 1"
        known = {"id": UUID(bytes=execution_id(row["task"], row["run"], row["again"] + 1)), "ended": row["updated_at"]}
        rows = await self._rows(f"SELECT execution FROM {{main}}.executions {which}", **known)  # noqa: S608  (ours)
        return str(known["id"]) if rows else None

    async def _downstream(self, row: Row) -> tuple[UpstreamView, ...]:
        """Executions of the same run that wait for this one, or did."""
        rows = await self._rows(_DOWNSTREAM, run=row["run"], id=row["execution"], limit=RELATED)
        return tuple(answers.upstream(r["execution"], r["task"], r["outcome"]) for r in rows)


def _parts(values: list[T], most: int) -> list[list[T]]:
    """All of them, so many at a time; of none one part, which is empty."""
    return [values[at : at + most] for at in range(0, max(len(values), 1), most)]


def _log_place(cursor: str) -> tuple[int, int]:
    if not cursor:
        return -1, -1
    try:
        attempt, _, seq = cursor.partition(".")
        return int(attempt), int(seq)
    except ValueError:
        raise ValueError(f"{cursor[:80]!r} is no cursor of a log: leave it away to begin anew") from None


_ONE = "SELECT * FROM {main}.executions WHERE execution = {id:UUID} ORDER BY created_at DESC LIMIT 1"
"""The newest, since an id lives again where its task and run are submitted after the scheduler has forgotten them."""

_SOME = f"SELECT {_LIST} FROM {{main}}.executions WHERE execution IN {{ids:Array(UUID)}} ORDER BY created_at"  # noqa: S608  (our own text)

_EVENTS = """
SELECT * FROM
(
    SELECT * EXCEPT (call, payload) FROM {main}.events
    WHERE execution = {id:UUID} AND created_at >= {born:DateTime64(3, 'UTC')}
    ORDER BY created_at DESC LIMIT 1 WITH TIES
)
ORDER BY version
"""

_BEFORE = """
SELECT count() AS lives, max(updated_at) AS ended FROM {main}.executions
WHERE execution = {id:UUID} AND created_at < {born:DateTime64(3, 'UTC')}
"""

_MINUTES = """
SELECT
    toStartOfInterval(minute, toIntervalMinute({step:UInt32})) AS start,
    sum(created) AS created,
    sum(succeeded) AS succeeded,
    sum(failed) AS failed,
    sum(lost + cancelled + skipped + upstream_failed) AS other,
    sum(late) AS late,
    quantilesTDigestMerge(0.5, 0.99)(waited) AS waits,
    quantilesTDigestMerge(0.5, 0.99)(ran) AS runs
FROM {raw}.minutes FINAL
WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')}
GROUP BY start ORDER BY start
"""

_LIVE = """
SELECT
    state,
    count() AS n,
    countIf(state = 'waiting' AND late) AS late_now,
    countIf(state = 'waiting' AND NOT late AND max_latency_ms IS NOT NULL
        AND ready_at + toIntervalMillisecond(assumeNotNull(max_latency_ms))
        < {now:DateTime64(3, 'UTC')} + INTERVAL 5 MINUTE) AS late_next
FROM {main}.executions
WHERE state IN ('scheduled', 'blocked', 'waiting', 'dispatched', 'running', 'retrying')
GROUP BY state
"""

_OVER = f"""
SELECT state, count() AS n FROM {{main}}.executions
WHERE state IN {_ENDED} AND updated_at >= {{since:DateTime64(3, 'UTC')}} GROUP BY state
"""  # noqa: S608  (our own text)

_RATE = f"""
SELECT count() / 60 AS rate FROM {{main}}.executions
WHERE state IN {_ENDED} AND updated_at >= now64(3) - INTERVAL 1 MINUTE
"""  # noqa: S608  (our own text)

_RUNS = f"""
SELECT
    pipeline,
    run,
    min(e.created_at) AS created_at,
    if(countIf(state NOT IN {_ENDED}) = 0, max(e.finished_at), NULL) AS finished_at,
    sumMap(map(state, toUInt64(1))) AS states
FROM {{main}}.executions AS e
WHERE pipeline = {{pipeline:String}} GROUP BY pipeline, run ORDER BY created_at DESC LIMIT {{limit:UInt32}}
"""  # noqa: S608  (our own text)

_PIPELINES = """
SELECT * FROM {main}.pipelines
WHERE hasAny(tasks, (SELECT groupArray(task) FROM {main}.tasks WHERE NOT deleted)) ORDER BY pipeline
"""

_DOWNSTREAM = f"""
SELECT execution, task, if(state IN {_ENDED}, state, '') AS outcome FROM {{main}}.executions
WHERE run = {{run:String}} AND has(upstream.execution, {{id:UUID}}) ORDER BY task LIMIT {{limit:UInt32}}
"""  # noqa: S608  (our own text)
