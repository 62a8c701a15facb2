"""One action on many executions: those named, or all that match a filter, which is resolved here and now."""

from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus

from fastapi import APIRouter

from pipelines.events import CancelEvent, RetryEvent
from pipelines.ids import from_text, to_text
from pipelines.requests import BULK_LIMIT, TOO_MANY, BulkRequest, ExecutionFilter
from pipelines.views import CHANGEABLE, BulkAnswer, ExecutionRow, RefusalView, StateName
from streams.edge import forbidden
from streams.edge.context import Context, Here
from streams.edge.orders import may_run_twice, renewed
from streams.edge.problems import ProblemError
from streams.engine.rejections import retried_already

router = APIRouter(tags=["orders"])

UNMATCHED = "nothing matches the filter, which sees what lists show: what came within the last second may be missing"


@router.post("/v1/executions/cancel", status_code=HTTPStatus.ACCEPTED)
async def cancel_many(wanted: BulkRequest, here: Here) -> BulkAnswer:
    """Stop many executions; a filter means those that have not ended.

    Each is sent before those of them that it waits for, whose end would be its own.
    """
    chosen, refused = await _chosen(here, wanted, CHANGEABLE["cancel"], forbidden.cancelling)
    for turn in reversed(await here.reads.after_upstream(chosen, here.settings.task_partitions)):
        await here.orders.send([CancelEvent(execution=one, reason=wanted.reason) for one in reversed(turn)])
    return _answer({one: one for one in chosen}, refused)


@router.post("/v1/executions/retry", status_code=HTTPStatus.ACCEPTED)
async def retry_many(wanted: BulkRequest, here: Here) -> BulkAnswer:
    """Execute many again; a filter means those that have ended. `executions` of the answer: the new ids by the old.

    Each is sent after those of them that it waits for, so that it waits for their new executions.
    """
    chosen, refused = await _chosen(here, wanted, CHANGEABLE["retry"], lambda row: _retrying(here, row))
    retried = await here.orders.retried(chosen.values())
    left = {one: row for one, row in chosen.items() if one not in retried}
    refused += [RefusalView(execution=one, detail=retried_already(again)) for one, again in retried.items()]
    turns = await here.reads.after_upstream(left, here.settings.task_partitions)
    for turn in turns:
        await here.orders.send([RetryEvent(execution=one) for one in turn])
    return _answer({one: renewed(left[one]) for turn in turns for one in turn}, refused, may_run_twice(left.values()))


def _retrying(here: Context, row: ExecutionRow) -> str | None:
    return forbidden.retrying(here.reads, from_text(row.execution))


def _answer(named: dict[str, str], refused: Sequence[RefusalView], detail: str | None = None) -> BulkAnswer:
    told = detail if named or refused else UNMATCHED
    return BulkAnswer(accepted=len(named), executions=named, refused=tuple(refused), detail=told)


async def _chosen(
    here: Context,
    wanted: BulkRequest,
    states: Collection[StateName],
    allowed: Callable[[ExecutionRow], str | None],
) -> tuple[dict[str, ExecutionRow], list[RefusalView]]:
    """The executions to act on, by id, and why others are left alone."""
    rows = await _matching(here, wanted, states) if wanted.ids is None else await _named(here, wanted.ids)
    refused = {name: "no such execution" if row is None else allowed(row) for name, row in rows.items()}
    chosen = {name: row for name, row in rows.items() if row and refused[name] is None}
    return chosen, [RefusalView(execution=name, detail=why) for name, why in refused.items() if why]


async def _named(here: Context, ids: Sequence[str]) -> dict[str, ExecutionRow | None]:
    """By whole ids, or by their ends: one that means no execution for sure has nothing done to any."""
    wanted = [await here.reads.find(name) for name in ids]
    rows = await here.reads.rows(wanted)
    return {to_text(which): rows.get(which) for which in wanted}


async def _matching(
    here: Context, wanted: BulkRequest, states: Collection[StateName]
) -> dict[str, ExecutionRow | None]:
    """All in these states that match, unless that is more than the person has confirmed, or than one action changes."""
    which = (wanted.filter or ExecutionFilter()).among(states)
    found = await here.reads.all_rows(which, BULK_LIMIT + 1) if which else []
    if len(found) > BULK_LIMIT:
        raise ProblemError(HTTPStatus.CONFLICT, TOO_MANY)
    if wanted.expected is not None and len(found) > wanted.expected:
        detail = f"{len(found)} match now, {wanted.expected} were expected; nothing was changed: look again"
        raise ProblemError(HTTPStatus.CONFLICT, detail)
    return {row.execution: row for row in found}
