"""What answers an order: which decisions of the scheduler, and the first of them."""

import asyncio
from collections.abc import Collection, Sequence

from pipelines.ids import from_text
from pipelines.views import Accepted
from streams.edge.waiters import Decision, Key, pipeline_key, run_key, task_key
from streams.engine import commands as c
from streams.engine.records import State, TaskDef

REFUSALS_ONLY = ("",)

FINISHED = {State.SUCCEEDED: ("succeeded",), State.FAILED: ("failed", "retrying")}
"""What follows a finish, by the outcome that it says: the other one is somebody else's."""


def awaited_by(command: c.TaskCommand, accepted: Accepted) -> list[tuple[Key, Collection[str]]]:
    """What answers a command: keys, and the steps that count (none: all)."""
    heard: list[tuple[Key, Collection[str]]] = []
    match command:
        case c.Cancel(id=which):
            heard = [(which, ("cancelled",))]
        case c.Finish(id=which, state=outcome):
            heard = [(which, FINISHED[State(outcome)])]
        case c.Retry(id=which):
            heard = [(which, REFUSALS_ONLY)]
            heard += [(from_text(accepted.execution), ())] if accepted.execution else []
        case c.CreateTask(task=TaskDef(id=task)):
            heard = [(task_key(task), ("created",))]
        case c.DeleteTask(task=task):
            heard = [(task_key(task), ("deleted",))]
        case c.CreatePipeline(id=pipeline):
            heard = [(pipeline_key(pipeline), ())]
        case c.ExecutePipeline(pipeline=pipeline, run=run):
            heard = [(run_key(pipeline, run), ())]
        case c.Execute(id=which):
            heard = [(which, ())]
    return heard


async def first(futures: Sequence[asyncio.Future[Decision | None]], seconds: float) -> Decision | None:
    """The first decision within so many seconds; none: there was none."""
    done, _ = await asyncio.wait(futures, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
    return next(iter(done)).result() if done else None
