"""How the whole stands: overview, pools, workers, dead letters, health, metrics, and questions in SQL."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST

from pipelines.requests import Moment, QueryRequest
from pipelines.views import DeadLetterView, HealthView, OverviewView, PoolView, QueryAnswer, WorkerView
from streams.edge import health, metrics, shapes
from streams.edge.context import Here, Limit

router = APIRouter(tags=["state"])

HOUR = timedelta(hours=1)

STOPPED = "The live tail has stopped: this edge is to be started again"

About = Annotated[str | None, Query(max_length=36, description="Only those about this execution, by its whole id.")]


@router.get("/v1/overview")
async def overview(here: Here, since: Annotated[Moment | None, Query()] = None) -> OverviewView:
    """Is all well? Since a time; none: the last hour."""
    return await here.reads.overview(since or datetime.now(UTC) - HOUR)


@router.get("/v1/pools")
async def pools(here: Here) -> list[PoolView]:
    """Pools, who waits in them and who works."""
    return list(here.live.board.pool_views())


@router.get("/v1/workers")
async def workers(here: Here) -> list[WorkerView]:
    """Workers of all pools."""
    return [worker for pool in here.live.board.pool_views() for worker in pool.workers]


@router.get("/v1/dead-letters")
async def dead_letters(here: Here, limit: Limit = 100, execution: About = None) -> list[DeadLetterView]:
    """What was refused, the newest first; the last thousand are at hand."""
    newest = (one for one in reversed(here.live.letters) if execution in {None, one.execution})
    return [shapes.letter(one) for one in islice(newest, limit)]


@router.post("/v1/sql")
async def sql(wanted: QueryRequest, here: Here) -> QueryAnswer:
    """A statement for ClickHouse."""
    return await here.reads.query(wanted)


@router.get("/health", tags=["public"], responses={503: {"model": HealthView, "description": STOPPED}})
@router.head("/health", include_in_schema=False)
async def is_healthy(here: Here, response: Response) -> HealthView:
    """Whether the edge serves, whom it has heard of, and whether the history keeps up. Needs no token."""
    response.status_code = 200 if here.live.following else 503
    return health.view(here.live, here.trouble())


@router.get("/metrics", response_class=Response)
async def prometheus(here: Here) -> Response:
    """Figures for Prometheus."""
    return Response(metrics.render(here.live.board), media_type=CONTENT_TYPE_LATEST)
