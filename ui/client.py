"""The HTTP API as typed Python: each method is one request and returns one of the views."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from pipelines.command import command
from pipelines.events import AnyEvent, ExecuteEvent, SubmitEvent
from pipelines.model import AnyTask, PipelineModel
from pipelines.requests import (
    BulkRequest,
    CancelRequest,
    ExecutionFilter,
    FinishRequest,
    Order,
    QueryRequest,
    RunRequest,
)
from pipelines.views import (
    Accepted,
    BulkAnswer,
    DeadLetterView,
    EventView,
    ExecutionPage,
    ExecutionView,
    HealthView,
    LogView,
    OverviewView,
    PipelineView,
    PoolView,
    Problem,
    QueryAnswer,
    RunView,
    TaskView,
    WorkerView,
)

T = TypeVar("T")
Body = BaseModel | Sequence[BaseModel] | None
Query = Mapping[str, Any]

WAIT = 2.0
"""Seconds that a command waits for the scheduler's first decision, by default."""

SPARE = 10.0
"""Seconds in which an answer arrives, beyond those that the request itself asks for."""

LONG = 75.0
"""Seconds for what may take long: a statement may run for 30 and wait for another's 30; many may be changed at once."""


class ApiUnavailableError(ConnectionError):
    """The edge does not answer, or cannot reach what it needs."""


class ApiError(Exception):
    """The edge refused. `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status


class Client:
    """A connection to the edge. Without arguments it takes the address and token of this machine's settings.

    Methods raise ApiError with a problem's details, and ApiUnavailableError where nothing answers: within `timeout`
    seconds, or longer where the request itself may take longer.
    """

    def __init__(self, base_url: str | None = None, token: str | None = None, *, timeout: float = 30.0) -> None:
        if base_url is None or token is None:
            base_url, token = _local(base_url, token)
        self._timeout = timeout
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- commands -------------------------------------------------------------------------------------------

    def send(self, events: Iterable[AnyEvent]) -> tuple[Accepted, ...]:
        """Any public events, many at once; returns when all are durable."""
        return self._ask("POST", "/v1/events", tuple[Accepted, ...], body=list(events))

    def submit(
        self, task: AnyTask, *, run: str | None = None, at: datetime | None = None, wait: float = WAIT
    ) -> Accepted:
        """Run a task once, without keeping it."""
        event = SubmitEvent(task=task, run=run, at=at)
        return self._ask("POST", "/v1/executions", Accepted, {"wait": wait}, event)

    def execute(
        self,
        task: str,
        *,
        run: str | None = None,
        at: datetime | None = None,
        payload: JsonValue = None,
        priority: int | None = None,
        wait: float = WAIT,
    ) -> Accepted:
        """Execute a task that is kept: created or loaded."""
        event = ExecuteEvent(task=task, run=run, at=at, payload=payload, priority=priority)
        return self._ask("POST", "/v1/executions", Accepted, {"wait": wait}, event)

    def create_task(self, task: AnyTask, *, wait: float = WAIT) -> Accepted:
        """Create a task, or replace it for later executions."""
        return self._ask("POST", "/v1/tasks", Accepted, {"wait": wait}, task)

    def delete_task(self, task: str, *, wait: float = WAIT) -> Accepted:
        """Let a task take no further executions."""
        return self._ask("DELETE", f"/v1/tasks/{_part(task)}", Accepted, {"wait": wait})

    def create_pipeline(self, pipeline: PipelineModel, *, wait: float = WAIT) -> Accepted:
        """Create a pipeline, or replace it for later runs."""
        return self._ask("POST", "/v1/pipelines", Accepted, {"wait": wait}, pipeline)

    def run_pipeline(
        self,
        pipeline: str,
        *,
        run: str | None = None,
        at: datetime | None = None,
        payload: JsonValue = None,
        priority: int | None = None,
        wait: float = WAIT,
    ) -> Accepted:
        """Execute all tasks of a pipeline in one run; `executions` of the answer are their ids by task."""
        body = RunRequest(run=run, at=at, payload=payload, priority=priority)
        return self._ask("POST", f"/v1/pipelines/{_part(pipeline)}/runs", Accepted, {"wait": wait}, body)

    def cancel(self, execution: str, *, reason: str = "", wait: float = WAIT) -> Accepted:
        """Stop an execution."""
        return self._act(execution, "cancel", wait, CancelRequest(reason=reason))

    def retry(self, execution: str, *, wait: float = WAIT) -> Accepted:
        """Execute again what has ended, from its own copy of its task; the answer names the new execution."""
        return self._act(execution, "retry", wait)

    def finish(
        self,
        execution: str,
        *,
        outcome: str = "succeeded",
        result: JsonValue = None,
        error: str = "",
        attempt: int | None = None,
        wait: float = WAIT,
    ) -> Accepted:
        """Say how an external execution ended, or how that attempt of it did."""
        said = {"outcome": outcome, "result": result, "error": error, "attempt": attempt}
        body = FinishRequest.model_validate(said)
        return self._act(execution, "finish", wait, body)

    def cancel_many(self, request: BulkRequest) -> BulkAnswer:
        """Stop many executions."""
        return self._ask("POST", "/v1/executions/cancel", BulkAnswer, body=request, patience=LONG)

    def retry_many(self, request: BulkRequest) -> BulkAnswer:
        """Execute many again; `executions` of the answer are the new ids by the old ones."""
        return self._ask("POST", "/v1/executions/retry", BulkAnswer, body=request, patience=LONG)

    # --- reads ----------------------------------------------------------------------------------------------

    def tasks(self, *, pipeline: str | None = None, limit: int = 100, after: str = "") -> tuple[TaskView, ...]:
        """Definitions in force, by id; `after` is the last id of the page before."""
        query = {"pipeline": pipeline, "limit": limit, "after": after}
        return self._ask("GET", "/v1/tasks", tuple[TaskView, ...], query)

    def task(self, task: str) -> TaskView:
        """One definition."""
        return self._ask("GET", f"/v1/tasks/{_part(task)}", TaskView)

    def pipelines(self) -> tuple[PipelineView, ...]:
        """Pipelines that have a task which is not deleted, by id."""
        return self._ask("GET", "/v1/pipelines", tuple[PipelineView, ...])

    def pipeline(self, pipeline: str) -> PipelineView:
        """One pipeline."""
        return self._ask("GET", f"/v1/pipelines/{_part(pipeline)}", PipelineView)

    def runs(self, pipeline: str, *, limit: int = 25) -> tuple[RunView, ...]:
        """The last runs of a pipeline, newest first."""
        return self._ask("GET", f"/v1/pipelines/{_part(pipeline)}/runs", tuple[RunView, ...], {"limit": limit})

    def executions(
        self, which: ExecutionFilter | None = None, *, order: Order = "newest", limit: int = 50, cursor: str = ""
    ) -> ExecutionPage:
        """A page of executions; `cursor` is the `next` of the page before."""
        query = (which or ExecutionFilter()).model_dump(mode="json", exclude_defaults=True)
        query |= {"order": order, "limit": limit, "cursor": cursor or None}
        return self._ask("GET", "/v1/executions", ExecutionPage, query)

    def execution(self, execution: str) -> ExecutionView:
        """One execution, by its id or its last characters: eight at least, and twelve as lists show them."""
        return self._ask("GET", f"/v1/executions/{_part(execution)}", ExecutionView)

    def events(self, execution: str) -> tuple[EventView, ...]:
        """The transitions of an execution, oldest first."""
        return self._ask("GET", f"/v1/executions/{_part(execution)}/events", tuple[EventView, ...])

    def logs(self, execution: str, *, after: str = "", limit: int = 500) -> tuple[LogView, ...]:
        """Lines of output after a cursor (none: from the first)."""
        query = {"after": after, "limit": limit}
        return self._ask("GET", f"/v1/executions/{_part(execution)}/logs", tuple[LogView, ...], query)

    def follow_logs(self, execution: str, *, after: str = "") -> Iterator[LogView]:
        """Lines of output as they come, until the execution has ended."""
        path = f"/v1/executions/{_part(execution)}/logs/stream"
        timeout = httpx.Timeout(5.0, read=60.0)  # the stream pings every 15 s
        with self._reachable(), self._http.stream("GET", path, params={"after": after}, timeout=timeout) as response:
            _check(response)
            for line in _lines(response.iter_text()):
                if line.startswith("data: "):
                    yield LogView.model_validate_json(line.removeprefix("data: "))

    def overview(self, since: datetime | None = None) -> OverviewView:
        """Is all well? Counts since a time (none: the last hour)."""
        return self._ask("GET", "/v1/overview", OverviewView, {"since": since.isoformat() if since else None})

    def pools(self) -> tuple[PoolView, ...]:
        """Pools, who waits in them and who works."""
        return self._ask("GET", "/v1/pools", tuple[PoolView, ...])

    def workers(self) -> tuple[WorkerView, ...]:
        """Workers of all pools."""
        return self._ask("GET", "/v1/workers", tuple[WorkerView, ...])

    def dead_letters(self, *, limit: int = 100, execution: str | None = None) -> tuple[DeadLetterView, ...]:
        """What was refused, newest first; `execution`: only what was ordered about that one, by its whole id."""
        query: Query = {"limit": limit, "execution": execution}
        return self._ask("GET", "/v1/dead-letters", tuple[DeadLetterView, ...], query)

    def sql(
        self, query: str, parameters: Mapping[str, JsonValue] | None = None, *, writes: bool = False
    ) -> QueryAnswer:
        """A statement for ClickHouse."""
        body = QueryRequest(query=query, parameters=dict(parameters or {}), writes=writes)
        return self._ask("POST", "/v1/sql", QueryAnswer, body=body, patience=LONG)

    def health(self) -> HealthView:
        """Whether the edge serves, whom it has heard of, and whether the history keeps up."""
        return self._ask("GET", "/health", HealthView)

    # --- how ------------------------------------------------------------------------------------------------

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        where = str(self._http.base_url).rstrip("/")
        try:
            yield
        except httpx.ReadTimeout as error:
            late = f"the API at {where} takes too long to answer, and may do what it was asked to all the same"
            raise ApiUnavailableError(f"{late}; `{command('doctor')}` says what hangs") from error
        except httpx.TransportError as error:
            raise ApiUnavailableError(f"no answer from the API at {where} ({error}); {_start()}") from error

    def _act(self, execution: str, action: str, wait: float, body: Body = None) -> Accepted:
        return self._ask("POST", f"/v1/executions/{_part(execution)}/{action}", Accepted, {"wait": wait}, body)

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        query: Query | None = None,
        body: Body = None,
        *,
        patience: float = 0.0,
    ) -> T:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"Content-Type": "application/json"} if body is not None else None
        longest = max(self._timeout, patience, params["wait"] + SPARE if "wait" in params else 0.0)
        timeout = httpx.Timeout(longest, connect=5.0)
        with self._reachable():
            response = self._http.request(
                method, path, params=params, content=_json(body), headers=headers, timeout=timeout
            )
        _check(response)
        read: T = _reader(cast("Hashable", answer)).validate_json(response.content)
        return read


def found(look: Callable[[str], T], name: str) -> T | None:
    """What is there, if it is: `look` is a method of a client that asks for one thing by its name."""
    try:
        return look(name)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def tasks_kept(client: Client) -> list[str]:
    """The tasks that can be executed, by name."""
    return [one.task for one in client.tasks(limit=1000)]


def _json(body: Body) -> bytes | None:
    if body is None or isinstance(body, BaseModel):
        return body.model_dump_json().encode() if body else None
    return b"[%s]" % b",".join(one.model_dump_json().encode() for one in body)


@cache
def _reader(answer: Any) -> TypeAdapter[Any]:
    return TypeAdapter(answer)


def _part(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines of a stream of events, which a line feed ends alone: what else Unicode takes for one may stand in them."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in whole)


def _check(response: httpx.Response) -> None:
    """Raise what the API has to say against a request."""
    if response.is_success:
        return
    problem = _problem(response)
    if response.status_code in (502, 503, 504):
        raise ApiUnavailableError(problem.detail or problem.title)
    raise ApiError(problem)


def _problem(response: httpx.Response) -> Problem:
    text = response.read()
    try:
        return Problem.model_validate_json(text)
    except ValidationError:  # something between us and the edge answered
        return Problem(
            title=response.reason_phrase, status=response.status_code, detail=text[:500].decode(errors="replace")
        )


def _local(base_url: str | None, token: str | None) -> tuple[str, str]:
    """What is not given, from the settings of this machine."""
    from streams.settings import settings  # noqa: PLC0415  (a client with an address of its own needs no settings)
    from streams.token import read_token  # noqa: PLC0415  (the same)

    here = settings()
    try:
        return base_url or here.edge_url, token or read_token(here)
    except FileNotFoundError as error:
        raise ApiUnavailableError(f"nothing was started here yet (no token in {error.filename}); {_start()}") from None


def _start() -> str:
    return f"start Headrace with `{command('up')}`, or the API alone with `{command('edge')}`"
