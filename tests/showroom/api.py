"""A small real HTTP API for the dashboard's tests: it serves a World through the public views.

It exists so that a test can say exactly what stands in the list; the edge's own tests are elsewhere.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query

from pipelines.requests import BulkRequest, ExecutionFilter, ExecutionQuery
from pipelines.views import (
    CHANGEABLE,
    TERMINAL_STATES,
    Accepted,
    BulkAnswer,
    DeadLetterView,
    ExecutionPage,
    ExecutionView,
    LogView,
    MinuteView,
    OverviewView,
    PoolView,
    RefusalView,
    Verb,
    WorkerView,
)
from showroom.world import World
from streams.edge.orders import may_run_twice
from streams.edge.steps import step_of
from ui.parts import charts

TOKEN = "a-token-for-tests-that-is-long-enough"


def _overview(world: World, since: datetime) -> OverviewView:
    now = datetime.now(UTC)
    step = step_of(now - since)
    history = charts.buckets([*_minutes(world, now)], since, now, step)
    states = [row.state for row in world.rows.values() if row.state not in TERMINAL_STATES]
    ended = [row.state for row in world.rows.values() if row.state in TERMINAL_STATES and row.updated_at >= since]
    waiting = [row for row in world.rows.values() if row.state == "waiting"]
    slots = [WorkerView(worker=f"mill-{n}", pool="default", host="mill", pid=41 + n, version="0.1.0", lane=n, slots=4,
                        running=2, held=0, silent_ms=300) for n in range(2)]  # fmt: skip
    oldest = max((round((now - row.created_at) / timedelta(milliseconds=1)) for row in waiting), default=None)
    pools = [
        PoolView(
            pool=pool, at=now, slots=8 if pool == "default" else 0,
            running=states.count("running") if pool == "default" else 0,
            waiting=tuple(sum(r.priority == p and r.pool == pool for r in waiting) for p in range(10)),
            oldest_wait_ms=oldest, workers=tuple(slots) if pool == "default" else (),
        )
        for pool in sorted({row.pool for row in world.rows.values()})
    ]  # fmt: skip
    return OverviewView(
        at=now, now={s: states.count(s) for s in set(states)}, ended={s: ended.count(s) for s in set(ended)},
        late_now=sum(row.late for row in waiting), late_next_5_min=3, failed=ended.count("failed"), per_second=12.4,
        pools=tuple(pools), step_ms=step // timedelta(milliseconds=1),
        minutes=tuple(one for one in history if one.created),
    )  # fmt: skip


def _minutes(world: World, now: datetime) -> Iterator[MinuteView]:
    if not world.rows:
        return
    last = now.replace(second=0, microsecond=0)
    for back in range(world.minutes, -1, -1):
        n = 30 + (back * 7919 % 23) + (back * 104_729 % 11)
        if back in range(170, 244):
            continue
        yield MinuteView(
            minute=last - timedelta(minutes=back), created=n, succeeded=n,
            failed=back * 31 % 17 // 14, other=back % 3 // 2,
            waited_p50_ms=200 + n * 6, waited_p99_ms=900 + n * 40, ran_p50_ms=700 + n * 3, ran_p99_ms=2200 + n * 30,
        )  # fmt: skip


def _allowed(authorization: Annotated[str, Header()] = "") -> None:
    if authorization != f"Bearer {TOKEN}":
        raise HTTPException(401, "sign in")


def _one(world: World, name: str) -> ExecutionView:
    if name not in world.rows:
        raise HTTPException(404, "no such execution")
    return world.rows[name]


def _page(world: World, query: ExecutionQuery) -> ExecutionPage:
    which = ExecutionFilter.model_validate(query.model_dump(exclude={"order", "limit", "cursor"}))
    found, start = world.matching(which), int(query.cursor or 0)
    if query.order == "changed":
        found.sort(key=lambda row: row.updated_at, reverse=True)
    end = start + query.limit
    return ExecutionPage(items=tuple(found[start:end]), total=len(found), next=str(end) if end < len(found) else None)


def _bulk(world: World, verb: Verb, wanted: BulkRequest) -> BulkAnswer:
    ids = wanted.ids
    if wanted.filter is not None:
        which = wanted.filter.among(CHANGEABLE[verb])
        ids = tuple(row.execution for row in world.matching(which)) if which else ()
        if len(ids) > (wanted.expected or 0):
            raise HTTPException(409, f"{len(ids)} match now, not {wanted.expected}")
    refused = [RefusalView(execution=n, detail=why) for n in ids or () if (why := world.act(verb, n))]
    taken = [world.rows[n] for n in set(ids or ()).difference(one.execution for one in refused)]
    detail = may_run_twice(taken) if verb == "retry" else None
    return BulkAnswer(accepted=len(taken), executions={}, refused=tuple(refused), detail=detail)


def application(world: World) -> FastAPI:
    """The routes."""
    app = FastAPI(dependencies=[Depends(_allowed)])

    @app.get("/v1/overview")
    def overview(since: datetime) -> OverviewView:
        return _overview(world, since)

    @app.get("/v1/pools")
    def pools() -> tuple[PoolView, ...]:
        return _overview(world, datetime.now(UTC)).pools

    @app.get("/v1/workers")
    def workers() -> list[WorkerView]:
        return world.workers

    @app.get("/v1/dead-letters")
    def letters(limit: int) -> list[DeadLetterView]:
        return world.letters[::-1][:limit]

    @app.get("/v1/executions")
    def executions(query: Annotated[ExecutionQuery, Query()]) -> ExecutionPage:
        return _page(world, query)

    @app.get("/v1/executions/{name}")
    def execution(name: str) -> ExecutionView:
        return _one(world, name)

    @app.get("/v1/executions/{name}/logs")
    def logs(name: str, after: str = "", limit: int = 500) -> list[LogView]:
        start = int(after or 0)
        return world.lines.get(name, [])[start : start + limit]

    @app.post("/v1/executions/{name}/retry")
    def again(name: str) -> Accepted:
        world.act("retry", name)
        old = world.rows[name]
        return Accepted(execution=old.retried_as, task=old.task, detail=may_run_twice([old]))

    @app.post("/v1/executions/{verb}")
    def many(verb: Verb, wanted: BulkRequest) -> BulkAnswer:
        return _bulk(world, verb, wanted)

    return app


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(world: World, port: int) -> Iterator[None]:
    """The API on `port`, in a thread, until the block is left."""
    config = uvicorn.Config(application(world), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
