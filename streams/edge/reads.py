"""What the API shows: ClickHouse's history, made fresh by the live tail, which hears of steps a moment earlier."""

import dataclasses
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, TypeVar

from pipelines.events import EXECUTION_NAME, SHORTEST
from pipelines.faults import shown
from pipelines.ids import ExecutionId, from_text, to_text
from pipelines.requests import ExecutionFilter, ExecutionQuery, QueryRequest
from pipelines.views import (
    TERMINAL_STATES,
    EventView,
    ExecutionPage,
    ExecutionRow,
    ExecutionView,
    LogView,
    OverviewView,
    PipelineView,
    QueryAnswer,
    RunView,
    StateName,
    TaskView,
    UpstreamView,
)
from sinks.record.client import ClickHouseAwayError
from sinks.record.errors import QueryFailedError, QueryRefusedError
from sinks.record.guard import OURS
from sinks.record.history import History
from streams.edge import shapes
from streams.edge.board import moment, now_ms
from streams.edge.in_order import in_turns
from streams.edge.live import Live
from streams.edge.problems import ProblemError
from streams.edge.steps import step_of
from streams.edge.why import why
from streams.engine.events import TaskCreated, TaskDeleted

P = ParamSpec("P")
T = TypeVar("T")

WHOLE = 36
PAGE = 1000
MILLISECOND = timedelta(milliseconds=1)
HISTORY_AWAY = (ClickHouseAwayError, QueryFailedError, TimeoutError)
"""The history cannot be read."""

UNKNOWN_NAMES = (47, 60)
"""ClickHouse's numbers of UNKNOWN_IDENTIFIER and UNKNOWN_TABLE."""

NAMES_THERE = f"the views are {', '.join(sorted(OURS))}; DESCRIBE executions names the columns of one"


Look = Callable[Concatenate["Reads", P], Coroutine[Any, Any, T]]


def _twice(look: Look[P, T]) -> Look[P, T]:
    """Look again, once the live tail has caught up, for what is not there: another edge may have told of it already."""

    @wraps(look)
    async def looked(self: "Reads", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await look(self, *args, **kwargs)
        except ProblemError as error:
            if error.problem.status != HTTPStatus.NOT_FOUND:
                raise
        await self._live.caught_up()
        return await look(self, *args, **kwargs)

    return looked


class Reads:
    """Every method that looks for one thing raises ProblemError 404 where there is none."""

    def __init__(self, history: History, live: Live) -> None:
        self._history = history
        self._live = live

    @_twice
    async def find(self, name: str) -> ExecutionId:
        """The execution that `name` means: its id, or at least eight last characters of it."""
        text = name.strip().lower()
        if len(text) == WHOLE:
            return _id(text)
        if not EXECUTION_NAME.fullmatch(text):
            raise _no_id(name)
        found = self._recent_ending_with(text) | await self._history_ending_with(text)
        if not found:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no execution's id ends with {text!r}")
        if len(found) > 1:
            raise ProblemError(HTTPStatus.CONFLICT, f"several ids end with {text!r}: {', '.join(sorted(found)[:3])}")
        return _id(found.pop())

    def _recent_ending_with(self, text: str) -> set[str]:
        digits = text.replace("-", "")
        tail = bytes.fromhex(digits[len(digits) % 2 :])
        return {one for one in map(to_text, self._live.recent.ending_with(tail)) if one.endswith(text)}

    async def _history_ending_with(self, text: str) -> set[str]:
        page = await self._history.executions(ExecutionQuery(text=text, limit=PAGE))
        return {row.execution for row in page.items if row.execution.endswith(text)}

    @_twice
    async def execution(self, execution: ExecutionId) -> ExecutionView:
        """One execution, with all that is known, and why it waits."""
        view = self._fresh(execution, await self._past(execution))
        if view is None:
            raise _unknown(execution)
        untold = [from_text(u.execution) for u in (*view.upstream, *view.downstream) if u.state is None]
        known = {to_text(one): row for one, row in (await self.rows(untold)).items()}
        sides = {"upstream": view.upstream, "downstream": view.downstream}
        view = view.model_copy(
            update={side: tuple(_told(u, known.get(u.execution)) for u in those) for side, those in sides.items()}
        )
        record = self._live.recent.record(execution)
        return view.model_copy(update={"why": why(view, self._live.board, now_ms(), record=record, upstream=known)})

    async def _past(self, execution: ExecutionId) -> ExecutionView | None:
        """What history knows; where it is away, the live tail alone must do for what it has."""
        try:
            return await self._history.execution(execution)
        except HISTORY_AWAY:
            if self._live.recent.record(execution) is None:
                raise
            return None

    def _fresh(self, execution: ExecutionId, past: ExecutionView | None) -> ExecutionView | None:
        steps = self._live.recent.steps(execution)
        if not steps:
            return past
        present = shapes.execution(steps)
        if past is None:
            return present
        if past.updated_at >= present.updated_at:
            return past
        return shapes.joined(past, present) if past.created_at == present.created_at else present

    def heard(self, executions: Iterable[bytes]) -> dict[bytes, ExecutionRow]:
        """Those of which the live tail has heard: as they stand, be the history behind or away."""
        return {e: shapes.row(last) for e in executions if (last := self._live.recent.last(e))}

    async def rows(self, executions: Sequence[bytes]) -> dict[bytes, ExecutionRow]:
        """Those of the executions that are known, each as fresh as can be."""
        found = self.heard(executions)
        if rest := [e for e in executions if e not in found]:
            found |= {from_text(row.execution): row for row in await self._history.rows(rest)}
        return found

    async def after_upstream(self, rows: Mapping[str, ExecutionRow], partitions: int) -> list[list[str]]:
        """Their ids, each after those of them that it waits for; see `in_turns`."""
        heard = {one: record for one in rows if (record := self._live.recent.record(from_text(one)))}
        upstream = {one: [to_text(which) for which, *_ in record.upstream] for one, record in heard.items()}
        if rest := [from_text(one) for one in rows if one not in heard]:
            upstream |= await self._history.upstream(rest)
        return in_turns(rows, upstream, partitions)

    async def state(self, execution: bytes) -> StateName | None:
        """Where an execution stands; none: it is not known."""
        row = (await self.rows([execution])).get(execution)
        return row.state if row else None

    async def executions(self, wanted: ExecutionQuery) -> ExecutionPage:
        """A page of history, each row as it stands by now: one that has moved on may not match the filter any more."""
        page = await self._history.executions(wanted)
        return page.model_copy(update={"items": tuple(self._moved_on(row) for row in page.items)})

    def _moved_on(self, row: ExecutionRow) -> ExecutionRow:
        """The same life of an execution, if the live tail has heard of a later step; none follows on an end."""
        if row.state in TERMINAL_STATES or (last := self._live.recent.last(from_text(row.execution))) is None:
            return row
        present = shapes.row(last)
        newer = present.created_at == row.created_at and present.updated_at > row.updated_at
        return present if newer else row

    async def all_rows(self, wanted: ExecutionFilter, limit: int) -> list[ExecutionRow]:
        """All that match, but no more than `limit`."""
        rows: list[ExecutionRow] = []
        cursor: str | None = None
        while len(rows) < limit:
            query = ExecutionQuery(**dict(wanted), limit=min(PAGE, limit - len(rows)), cursor=cursor)
            page = await self._history.executions(query)
            rows += page.items
            cursor = page.next
            if cursor is None:
                break
        return rows

    @_twice
    async def events(self, execution: ExecutionId) -> list[EventView]:
        """The transitions of an execution, oldest first."""
        steps = self._live.recent.steps(execution)
        past = await self._history.events(execution, *(moment(step.execution.created_at) for step in steps[:1]))
        newer = [shapes.event(step) for step in steps]
        events = past + [e for e in newer if not past or e.at > past[-1].at]
        if not events:
            raise _unknown(execution)
        return events

    @_twice
    async def logs(self, execution: ExecutionId, after: str, limit: int) -> list[LogView]:
        """Lines of output behind a cursor."""
        row, lines = await self.output(execution, after, limit)
        if not lines and row is None:
            raise _unknown(execution)
        return lines

    async def output(self, execution: ExecutionId, after: str, limit: int) -> tuple[ExecutionRow | None, list[LogView]]:
        """Lines of output behind a cursor, and what was known of the execution before they were read."""
        row = (await self.rows([execution])).get(execution)
        try:
            lines = await self._history.logs(execution, after, limit)
        except ValueError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        if row and any(line.at < row.created_at for line in lines):  # of an earlier life, or by another clock
            since = await self._history.output_since(execution, row.created_at)
            lines = await self._history.logs(execution, after, limit, since)
        return row, lines

    async def tasks(self, pipeline: str | None, limit: int, after: str = "") -> list[TaskView]:
        """Definitions in force behind `after`, by id."""
        return await self._history.tasks(pipeline, limit, after)

    @_twice
    async def task(self, task: str) -> TaskView:
        """One definition, in force or deleted."""
        match self._live.recent.task(task):
            case TaskCreated() as made:
                return shapes.task(made)
            case TaskDeleted(at=at):
                past = await self._history.task(task)
                found = (
                    past and past.model_copy(update={"deleted": True})
                    if past and past.created_at <= moment(at)
                    else past
                )
            case None:
                found = await self._history.task(task)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no task {shown(task)}")
        return found

    async def has_task(self, task: str) -> bool:
        """Whether a task takes executions."""
        try:
            return not (await self.task(task)).deleted
        except ProblemError:
            return False

    async def pipelines(self) -> list[PipelineView]:
        """Pipelines that have a task which is not deleted, by id."""
        return await self._history.pipelines()

    @_twice
    async def pipeline(self, pipeline: str) -> PipelineView:
        """One pipeline, unless all its tasks are deleted."""
        made = self._live.recent.pipeline(pipeline)
        found = shapes.pipeline(made) if made else await self._history.pipeline(pipeline)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no pipeline {shown(pipeline)}")
        if not await self._keeps(found.tasks):
            detail = f"no pipeline {shown(pipeline)}: it was deleted with all its tasks"
            raise ProblemError(HTTPStatus.NOT_FOUND, detail)
        return found

    async def _keeps(self, tasks: Sequence[str]) -> bool:
        """Whether one of these tasks is not deleted."""
        heard = {task: self._live.recent.task(task) for task in tasks}
        if any(isinstance(last, TaskCreated) for last in heard.values()):
            return True
        rest = [task for task, last in heard.items() if last is None]
        return bool(rest) and await self._history.keeps(rest)

    async def pipeline_tasks(self, pipeline: str) -> tuple[str, ...]:
        """The ids of a pipeline's tasks; none: there is no such pipeline."""
        try:
            return (await self.pipeline(pipeline)).tasks
        except ProblemError:
            return ()

    async def runs(self, pipeline: str, limit: int) -> list[RunView]:
        """The last runs of a pipeline, newest first; of a deleted one too, where it ran."""
        if not (found := await self._history.runs(pipeline, limit)):
            await self.pipeline(pipeline)
        return found

    async def overview(self, since: datetime) -> OverviewView:
        """Is all well?"""
        now = datetime.now(UTC)
        counts = await self._history.counts(since)
        step = step_of(now - since)
        minutes = await self._history.minutes(since, now, step)
        fields = {field.name: getattr(counts, field.name) for field in dataclasses.fields(counts)}
        pools = self._live.board.pool_views()
        return OverviewView(at=now, **fields, pools=pools, step_ms=step // MILLISECOND, minutes=tuple(minutes))

    async def query(self, wanted: QueryRequest) -> QueryAnswer:
        """Somebody's own statement. Raises ProblemError where it may not run or does not."""
        try:
            return await self._history.sql(wanted.query, wanted.parameters, writes=wanted.writes)
        except QueryRefusedError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        except QueryFailedError as error:
            hint = f"; {NAMES_THERE}" if error.code in UNKNOWN_NAMES else ""
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}{hint}") from None


def _id(text: str) -> ExecutionId:
    try:
        return from_text(text)
    except ValueError:
        raise _no_id(text) from None


def _unknown(execution: ExecutionId) -> ProblemError:
    why = "it was never submitted, no scheduler has taken it up yet, or it is kept no longer"
    return ProblemError(HTTPStatus.NOT_FOUND, f"no execution {to_text(execution)}: {why}")


def _no_id(name: str) -> ProblemError:
    detail = f"{shown(name)} is no execution's id; give the id, or at least its last {SHORTEST} characters"
    return ProblemError(HTTPStatus.NOT_FOUND, detail)


def _told(upstream: UpstreamView, row: ExecutionRow | None) -> UpstreamView:
    """An upstream whose end is known here before the one that waits has heard of it."""
    ended = row is not None and row.state in TERMINAL_STATES and upstream.state is None
    return upstream.model_copy(update={"state": row.state}) if row and ended else upstream
