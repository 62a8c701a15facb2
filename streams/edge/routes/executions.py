"""Executions: lists, one, its transitions, its output."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipelines.requests import ExecutionQuery
from pipelines.views import EventView, ExecutionPage, ExecutionView, LogView
from streams.edge.context import Here, Limit
from streams.edge.tail import follow

router = APIRouter(tags=["executions"])

PING = 15
"""Seconds between signs of life on a quiet stream."""

Cursor = Annotated[str, Query(max_length=200, description="`cursor` of the last line seen; none: from the first.")]


@router.get("/v1/executions")
async def executions(wanted: Annotated[ExecutionQuery, Query()], here: Here) -> ExecutionPage:
    """A page of the executions that match."""
    return await here.reads.executions(wanted)


@router.get("/v1/executions/{execution}")
async def execution(execution: str, here: Here) -> ExecutionView:
    """One execution, by its id or its last characters, eight at least, where they are unique."""
    return await here.reads.execution(await here.reads.find(execution))


@router.get("/v1/executions/{execution}/events")
async def events(execution: str, here: Here) -> list[EventView]:
    """Its transitions, oldest first."""
    return await here.reads.events(await here.reads.find(execution))


@router.get("/v1/executions/{execution}/logs")
async def logs(execution: str, here: Here, after: Cursor = "", limit: Limit = 500) -> list[LogView]:
    """Lines of its output after a cursor."""
    return await here.reads.logs(await here.reads.find(execution), after, limit)


@router.get("/v1/executions/{execution}/logs/stream", response_class=EventSourceResponse)
async def stream(execution: str, here: Here, after: Cursor = "") -> EventSourceResponse:
    """Lines of its output as they come (server-sent events), until it has ended."""
    which = await here.reads.find(execution)
    await here.reads.logs(which, after, 1)  # what is wrong must be said before the stream begins

    async def lines() -> AsyncIterator[ServerSentEvent]:
        async for line in follow(here.reads, which, after):
            yield ServerSentEvent(line.model_dump_json(), id=line.cursor)

    return EventSourceResponse(lines(), ping=PING)
