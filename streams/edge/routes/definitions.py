"""Tasks and pipelines, as they are defined, and the runs of pipelines."""

from typing import Annotated

from fastapi import APIRouter, Query

from pipelines.views import PipelineView, RunView, TaskView
from streams.edge.context import Here, Limit

router = APIRouter(tags=["definitions"])


@router.get("/v1/tasks")
async def tasks(
    here: Here,
    pipeline: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    after: Annotated[str, Query(max_length=200, description="The last id of the page before.")] = "",
) -> list[TaskView]:
    """Definitions in force, by id: a page of those behind `after`."""
    return await here.reads.tasks(pipeline, limit, after)


@router.get("/v1/tasks/{task}")
async def task(task: str, here: Here) -> TaskView:
    """One definition, in force or deleted."""
    return await here.reads.task(task)


@router.get("/v1/pipelines")
async def pipelines(here: Here) -> list[PipelineView]:
    """Pipelines that have a task which is not deleted, by id."""
    return await here.reads.pipelines()


@router.get("/v1/pipelines/{pipeline}")
async def pipeline(pipeline: str, here: Here) -> PipelineView:
    """One pipeline; 404 where all its tasks are deleted."""
    return await here.reads.pipeline(pipeline)


@router.get("/v1/pipelines/{pipeline}/runs")
async def runs(pipeline: str, here: Here, limit: Limit = 25) -> list[RunView]:
    """The last runs of a pipeline, newest first."""
    return await here.reads.runs(pipeline, limit)
