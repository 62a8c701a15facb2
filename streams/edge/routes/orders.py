"""What changes something: one order each. 200: the scheduler has decided; 202: it is durable, and no more is known."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from pipelines.events import (
    AnyEvent,
    CancelEvent,
    CreateEvent,
    DeleteEvent,
    ExecuteEvent,
    FinishEvent,
    PublicEvent,
    RetryEvent,
    SubmitEvent,
)
from pipelines.faults import members
from pipelines.ids import to_text
from pipelines.model import PipelineModel, Task, TaskId
from pipelines.requests import CancelRequest, FinishRequest, RunRequest
from pipelines.views import Accepted
from streams.edge.context import WAIT, Context, Here, Wait

router = APIRouter(tags=["orders"])

EVENTS_AT_ONCE = 10_000


def _one_or_many(given: Any) -> str:
    return "many" if isinstance(given, list) else "one"


Events = Annotated[
    Annotated[PublicEvent, Tag("one")] | Annotated[list[PublicEvent], Field(max_length=EVENTS_AT_ONCE), Tag("many")],
    Discriminator(_one_or_many),
]


_Execution = SubmitEvent | ExecuteEvent


def _typed(given: Any) -> Any:
    """Of an event without a type pydantic does not say which are taken here."""
    if isinstance(given, dict) and "type" not in given:
        known = {"discriminator": "type", "expected_tags": ", ".join(members("type", _Execution))}
        raise PydanticCustomError("union_tag_not_found", "type is missing", known)
    return given


ExecutionEvent = Annotated[_Execution, Discriminator("type"), BeforeValidator(_typed)]
_202: dict[int | str, dict[str, Any]] = {202: {"model": Accepted, "description": "Durable, not decided yet"}}


@router.post("/v1/events", status_code=HTTPStatus.ACCEPTED)
async def send_events(events: Events, here: Here) -> list[Accepted]:
    """Any public events, one or a list: all are checked before the first is sent; durable when this answers."""
    return await here.orders.many(events if isinstance(events, list) else [events])


@router.post("/v1/executions", responses=_202)
async def submit_or_execute(
    event: Annotated[ExecutionEvent, Body()], here: Here, response: Response, wait: Wait = WAIT
) -> Accepted:
    """Run a task once, without keeping it (submit), or execute one that is kept (execute)."""
    return await _order(here, event, wait, response)


@router.post("/v1/tasks", responses=_202)
async def create_task(task: Annotated[Task, Body()], here: Here, response: Response, wait: Wait = WAIT) -> Accepted:
    """Create a task, or replace it for later executions."""
    return await _order(here, CreateEvent(task=task), wait, response)


@router.delete("/v1/tasks/{task}", responses=_202)
async def delete_task(task: TaskId, here: Here, response: Response, wait: Wait = WAIT) -> Accepted:
    """Let a task take no further executions."""
    return await _order(here, DeleteEvent(task=task), wait, response)


@router.post("/v1/pipelines", responses=_202)
async def create_pipeline(pipeline: PipelineModel, here: Here, response: Response, wait: Wait = WAIT) -> Accepted:
    """Create a pipeline, or replace it for later runs."""
    return await _order(here, CreateEvent(pipeline=pipeline), wait, response)


@router.post("/v1/pipelines/{pipeline}/runs", responses=_202)
async def run_pipeline(
    pipeline: TaskId, here: Here, response: Response, wanted: RunRequest | None = None, wait: Wait = WAIT
) -> Accepted:
    """Execute all tasks of a pipeline in one run."""
    fields = dict(wanted or RunRequest())
    return await _order(here, ExecuteEvent(pipeline=pipeline, **fields), wait, response)


@router.post("/v1/executions/{execution}/cancel", responses=_202)
async def cancel(
    execution: str, here: Here, response: Response, wanted: CancelRequest | None = None, wait: Wait = WAIT
) -> Accepted:
    """Stop an execution, waiting or running."""
    reason = wanted.reason if wanted else ""
    return await _order(here, CancelEvent(execution=await _found(here, execution), reason=reason), wait, response)


@router.post("/v1/executions/{execution}/retry", responses=_202)
async def retry(execution: str, here: Here, response: Response, wait: Wait = WAIT) -> Accepted:
    """Execute again what has ended, its task deleted or not; the answer names the new execution."""
    return await _order(here, RetryEvent(execution=await _found(here, execution)), wait, response)


@router.post("/v1/executions/{execution}/finish", responses=_202)
async def finish(
    execution: str, here: Here, response: Response, wanted: FinishRequest | None = None, wait: Wait = WAIT
) -> Accepted:
    """Say how an external execution ended."""
    event = FinishEvent(execution=await _found(here, execution), **dict(wanted or FinishRequest()))
    return await _order(here, event, wait, response)


async def _found(here: Context, execution: str) -> str:
    return to_text(await here.reads.find(execution))


async def _order(here: Context, event: AnyEvent, wait: float, response: Response) -> Accepted:
    accepted = await here.orders.one(event, wait)
    response.status_code = HTTPStatus.OK if accepted.decided else HTTPStatus.ACCEPTED
    return accepted
