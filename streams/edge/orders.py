"""Carries out what callers order: makes it durable, and where they wait, tells them what the scheduler decided."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar

from aiokafka.errors import KafkaTimeoutError

from pipelines.command import command as words
from pipelines.events import AnyEvent
from pipelines.ids import execution_id, from_text, to_text
from pipelines.views import TERMINAL_STATES, Accepted, ExecutionRow
from streams.client import KafkaClient, Placed
from streams.edge import forbidden
from streams.edge.awaited import awaited_by, first
from streams.edge.board import moment
from streams.edge.live import Live
from streams.edge.problems import ProblemError
from streams.edge.reads import HISTORY_AWAY, Reads
from streams.edge.waiters import Decided, Decision
from streams.engine import commands as c
from streams.engine.events import Refused
from streams.engine.records import TaskDef
from streams.engine.rejections import MISSING, retried_already
from streams.settings import Settings

LOOK_AFTER = 0.25
"""Seconds of silence after which an order may be a repetition, to which the scheduler says nothing: look it up.

Of a wait below twice this, half goes by first: the other half is left for that look."""

CONFIRMED_WITHIN = 9.0
"""Seconds in which the brokers have an order, or its sender is told: less than clients allow beyond their `wait`."""

NOTHING_NEW: Mapping[str, Sequence[str]] = {}

T = TypeVar("T")

KNOWN = "known"
"""What was "decided" on a repetition."""


class Orders:
    """The one way by which the API changes anything."""

    def __init__(self, settings: Settings, client: KafkaClient, live: Live, reads: Reads) -> None:
        self._remembers = timedelta(seconds=settings.keep_finished + settings.remember_done)
        self._client = client
        self._live = live
        self._reads = reads

    async def many(self, events: Sequence[AnyEvent]) -> list[Accepted]:
        """Make all durable, as `send` does, and say what is known of them."""
        placed = self._translate(events)
        old = await self._reads.rows([each.id for _, each in placed if isinstance(each, c.Retry)])
        new = {each.id: [task.id for task in each.tasks] for _, each in placed if isinstance(each, c.CreatePipeline)}
        accepted = [await self._accepted(command, old, new) for _, command in placed]
        await self._durable(placed)
        return accepted

    async def send(self, events: Sequence[AnyEvent]) -> None:
        """Make all durable, or none if one cannot be translated; nobody waits for decisions."""
        await self._durable(self._translate(events))

    async def one(self, event: AnyEvent, wait: float) -> Accepted:
        """Make one durable and wait up to `wait` seconds for the decision; raises if it was refused."""
        [placed] = self._translate([event])
        command = placed[1]
        old = await self._standing(command)
        if why := self._forbidden(command, old):
            raise ProblemError(HTTPStatus.CONFLICT, why)
        accepted = await self._accepted(command, old)
        await self._refuse_second_retry(command, old)
        if not wait:
            await self._durable([placed])
            return accepted
        decision = await self._decision(placed, accepted, wait)
        if isinstance(decision, Refused):
            raise await self._refusal(command, decision)
        if decision is None:
            return accepted
        existing = decision.what == KNOWN or self._existing(accepted)
        known = {"state": decision.state, "existing": existing, "decided": True}
        return accepted.model_copy(update=known)

    async def _standing(self, command: c.TaskCommand) -> dict[bytes, ExecutionRow]:
        """The execution that an order is about, as far as it is known here; only a retry cannot do without."""
        if not isinstance(command, c.Cancel | c.Retry | c.Finish):
            return {}
        try:
            return await self._reads.rows([command.id])
        except HISTORY_AWAY:
            if isinstance(command, c.Retry):
                raise
            return {}

    def _forbidden(self, command: c.TaskCommand, old: Mapping[bytes, ExecutionRow]) -> str | None:
        """Why the order cannot be carried out; none: the scheduler decides."""
        match command:
            case c.Cancel(id=which) if which in old:
                return forbidden.cancelling(old[which])
            case c.Finish(id=which) if which in old:
                return forbidden.finishing(old[which])
            case c.Retry(id=which):
                return forbidden.retrying(self._reads, which)
        return None

    async def _refuse_second_retry(self, command: c.TaskCommand, old: Mapping[bytes, ExecutionRow]) -> None:
        """The scheduler drops it as a repetition, without a word: say here what the first one has made."""
        if not isinstance(command, c.Retry):
            return
        for again in (await self.retried(old.values())).values():
            detail = f"{retried_already(again)}: look at that one with `{words(f'show {again}')}`"
            raise ProblemError(HTTPStatus.CONFLICT, detail)

    async def retried(self, ended: Iterable[ExecutionRow]) -> dict[str, str]:
        """Those that were retried already: what that has made, by what was retried."""
        new = {renewed(row): row for row in ended}
        made = await self._reads.rows([from_text(one) for one in new])
        known = {one: made[from_text(one)] for one in new if from_text(one) in made}
        return {new[one].execution: one for one, row in known.items() if self._succeeds(row, new[one])}

    def _succeeds(self, made: ExecutionRow, row: ExecutionRow) -> bool:
        """Whether one was made by a retry of the other, or is what the scheduler takes for that.

        Where an id lives again, a retry of an earlier life ended before this one did: both are times of the log.
        """
        return made.created_at >= row.updated_at or self.remembered(made)

    def _translate(self, events: Sequence[AnyEvent]) -> list[Placed]:
        try:
            return self._client.translate(events)
        except ValueError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None

    async def _durable(self, placed: Sequence[Placed]) -> None:
        """Raises KafkaTimeoutError where no broker confirms it in time: it is under way, and may be carried out."""
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                await self._client.send(placed)
        except TimeoutError:
            raise KafkaTimeoutError(f"not confirmed within {CONFIRMED_WITHIN:g} s") from None

    async def _decision(self, placed: Placed, accepted: Accepted, wait: float) -> Decision | None:
        with ExitStack() as stack:
            expect = self._live.waiters.expect
            command = placed[1]
            futures = [stack.enter_context(expect(*what, command.at)) for what in awaited_by(command, accepted)]
            await self._durable([placed])
            until = time.monotonic() + wait
            if decision := await first(futures, min(wait / 2, LOOK_AFTER)):
                return decision
            known = stack.enter_context(_tried(self._known(accepted, until - time.monotonic())))
            heard: list[asyncio.Future[Any]] = [known, *futures]
            await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
            return (known.result() if known.done() else None) or await first(futures, until - time.monotonic())

    async def _known(self, accepted: Accepted, seconds: float) -> Decided | None:
        """The standing of what was there before; the scheduler does not answer a repetition."""
        try:
            async with asyncio.timeout(seconds):
                known = await self._reads.rows(_made(accepted))
        except HISTORY_AWAY:  # what is durable is answered all the same: who gets an error would order it again
            return None
        rows = {which: row for which, row in known.items() if self.remembered(row)}
        if not _all_earlier(accepted, rows):
            return None
        return Decided(KNOWN, rows[from_text(accepted.execution)].state if accepted.execution else None)

    def remembered(self, row: ExecutionRow) -> bool:
        """Whether the scheduler surely knows an execution: one that it has forgotten lives again if it is submitted."""
        return row.state not in TERMINAL_STATES or datetime.now(UTC) - row.updated_at < self._remembers

    def _existing(self, accepted: Accepted) -> bool | None:
        """Whether what was decided on was there before; none: nothing is made.

        The live tail has heard of what decided. Of a pipeline's run that is the first execution that was made.
        """
        made = _made(accepted)
        return _all_earlier(accepted, self._reads.heard(made)) if made else None

    async def _accepted(
        self, command: c.Order, old: Mapping[bytes, ExecutionRow], new: Mapping[str, Sequence[str]] = NOTHING_NEW
    ) -> Accepted:
        """What is known of the outcome before the scheduler has decided; `new`: tasks of pipelines made beside it."""
        known: dict[str, Any] = {}
        match command:
            case c.Execute(id=which, task=task, run=run, at=at):
                known = {"execution": to_text(which), "task": task, "run": run, "created_at": moment(at)}
            case c.ExecutePipeline(pipeline=pipeline, run=run, at=at):
                tasks = new.get(pipeline) or await self._reads.pipeline_tasks(pipeline)
                known = {"executions": {task: to_text(execution_id(task, run)) for task in tasks}}
                known |= {"pipeline": pipeline, "run": run, "created_at": moment(at)}
            case c.Retry(id=which):
                known = {"retry_of": to_text(which)}
                if row := old.get(which):
                    known |= {"execution": renewed(row), "detail": may_run_twice([row])}
            case c.Cancel(id=which) | c.Finish(id=which):
                known = {"execution": to_text(which)}
            case c.CreateTask(task=TaskDef(id=task)) | c.DeleteTask(task=task):
                known = {"task": task}
            case c.CreatePipeline(id=pipeline):
                known = {"pipeline": pipeline}
        return Accepted(ordered_at=moment(command.at), **known)

    async def _refusal(self, command: c.TaskCommand, refused: Refused) -> ProblemError:
        """404 where that which the command is about is unknown, 409 where its state forbids it."""
        known = not says_unknown(refused.reason) and await self._exists(command)
        return ProblemError(HTTPStatus.CONFLICT if known else HTTPStatus.NOT_FOUND, refused.reason)

    async def _exists(self, command: c.TaskCommand) -> bool:
        try:
            match command:
                case c.Cancel() | c.Retry() | c.Finish():
                    return await self._reads.state(command.id) is not None
                case c.Execute() | c.DeleteTask():
                    return await self._reads.has_task(command.task)
                case c.ExecutePipeline():
                    return bool(await self._reads.pipeline_tasks(command.pipeline))
        except HISTORY_AWAY:
            return True
        return True


@contextmanager
def _tried(work: Coroutine[Any, Any, T]) -> Iterator[asyncio.Task[T]]:
    """The task that does it, until this is left."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()


def says_unknown(reason: str) -> bool:
    """Whether the scheduler knows no such task or pipeline, of which the history may still tell."""
    return MISSING in reason


def _made(accepted: Accepted) -> list[bytes]:
    """The executions that an order makes, where it makes any."""
    return [from_text(one) for one in accepted.made] if accepted.created_at else []


def _all_earlier(accepted: Accepted, rows: Mapping[bytes, ExecutionRow]) -> bool:
    """Whether all that an order would make was made by an earlier one, to judge by what is known of it.

    The scheduler keeps the moment of the order that made an execution; two of one millisecond cannot be told apart.
    """
    made = _made(accepted)
    return bool(made) and all(which in rows and rows[which].created_at != accepted.created_at for which in made)


def renewed(old: ExecutionRow) -> str:
    """The id under which an execution is retried."""
    return to_text(execution_id(old.task, old.run, old.again + 1))


def may_run_twice(retried: Iterable[ExecutionRow]) -> str | None:
    """What to know of the lost ones among those that are retried; none: there are none, nothing to know."""
    match sum(row.state == "lost" for row in retried):
        case 0:
            return None
        case 1:
            return "a lost one may have run: this at_most_once task may now run a second time"
        case lost:
            return f"{lost} lost ones may have run: these at_most_once tasks may now run a second time"
