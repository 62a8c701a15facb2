"""Why an execution waits, in sentences: the hardest cause first, one template a cause."""

from collections.abc import Iterator, Mapping

from pipelines.command import command
from pipelines.durations import duration
from pipelines.views import ExecutionRow, ExecutionView
from streams.edge.board import SILENT_AFTER, Board, PoolStatus, moment
from streams.engine.records import Execution

NAMED = 5
"""Upstream executions that are named one by one."""
FAR = 86_400_000
"""Milliseconds from which on a moment to come is told by its date."""


def why(
    view: ExecutionView,
    board: Board,
    now: int,
    *,
    record: Execution | None = None,
    upstream: Mapping[str, ExecutionRow] | None = None,
) -> tuple[str, ...]:
    """What holds `view` back at `now` (epoch milliseconds); nothing once it runs or has ended.

    `record` is the engine's newest word, where the live tail has it; `upstream` are those of its upstream
    executions that exist, by id.
    """
    return tuple(_causes(view, board, now, record, upstream or {}))


def _causes(
    view: ExecutionView, board: Board, now: int, record: Execution | None, upstream: Mapping[str, ExecutionRow]
) -> Iterator[str]:
    match view.state:
        case "scheduled":
            yield f"due {_when(view.due_at.timestamp() * 1000 if view.due_at else now, now)}"
        case "blocked":
            yield from _blocked(view, upstream, now)
        case "waiting":
            yield from _waiting(view, board, now)
        case "retrying":
            yield _retrying(view, record, now)
        case "dispatched":
            yield f"given to worker `{view.worker}`, which has not said yet that it started"
        case "running" if view.kind == "external":
            yield "waits for a `finish` event from outside"


def _blocked(view: ExecutionView, known: Mapping[str, ExecutionRow], now: int) -> Iterator[str]:
    open_ones = [u for u in view.upstream if u.state is None]
    for one in open_ones[:NAMED]:
        yield f"waits for `{one.task}` ({_stands(known.get(one.execution), view.run, now)})"
    if len(open_ones) > NAMED:
        yield f"and for {len(open_ones) - NAMED} more"
    if not open_ones:
        yield "its upstream tasks have ended; the scheduler decides"


def _stands(row: ExecutionRow | None, run: str, now: int) -> str:
    if row is None:
        return f"not submitted yet in run `{run}`" if run else "not submitted yet"
    since = row.started_at if row.state == "running" else None
    return f"running {duration(max(now - since.timestamp() * 1000, 0))}" if since else row.state


def _waiting(view: ExecutionView, board: Board, now: int) -> Iterator[str]:
    pool = board.pools.get(view.pool)
    if pool is None or not pool.workers:
        yield f"no worker in pool `{view.pool}`: start one with `{command(f'worker --pool {view.pool}')}`"
    elif now - pool.at > SILENT_AFTER:
        yield f"the dispatcher of pool `{view.pool}` has been silent for {duration(now - pool.at)}"
    elif all(w.draining for w in pool.workers):
        yield f"all workers of pool `{view.pool}` drain and take nothing new"
    elif pool.running >= pool.slots:
        yield f"all {pool.slots} slots of pool `{view.pool}` are taken"
    if pool is not None:
        yield _place(view, pool)
    if view.late and view.max_latency_ms:
        yield f"late: it accepts a wait of {duration(view.max_latency_ms)}"


def _place(view: ExecutionView, pool: PoolStatus) -> str:
    ahead, equal = sum(pool.waiting[view.priority + 1 :]), pool.waiting[view.priority]
    among = f"one of {equal} of priority {view.priority}" if equal > 1 else f"the only one of priority {view.priority}"
    behind = f"behind {ahead} more critical" if ahead else "nothing more critical is ahead"
    return f"in the line of pool `{pool.pool}`: {among}, {behind}"


def _retrying(view: ExecutionView, record: Execution | None, now: int) -> str:
    if record is None or not record.retry_at:
        return f"attempt {view.attempt} failed; another one follows"
    tries = record.retry.limit + 1
    return f"attempt {record.number + 1} {_of(tries, record)}{_when(record.retry_at, now)}"


def _of(tries: int, record: Execution) -> str:
    """Losses of a worker make attempts of their own, so the count may pass the limit: then it says nothing."""
    return f"of {tries} " if record.number < tries else ""


def _when(at: float, now: int) -> str:
    """How soon, or where that is more than a day away, on which date."""
    if at - now > FAR:
        there = moment(round(at))
        return f"on {there.day} {there:%b %Y} at {there:%H:%M} UTC"
    return f"in {duration(at - now)}" if at > now else "now"
