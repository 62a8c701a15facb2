"""SCHEDULE's one question: given the state, what does this command make happen?"""

from collections.abc import Callable
from typing import Any

from streams.engine import attempt, create, execute, loan, stop, upstream
from streams.engine import commands as c
from streams.engine.events import Event
from streams.engine.rejections import Rejection
from streams.engine.step import Partition, Sent, Step
from streams.engine.view import Table

_PROCESSORS: dict[type, Callable[[Step, Any], None]] = {
    c.Assign: attempt.assign,
    c.Cancel: stop.cancel,
    c.CreatePipeline: create.create_pipeline,
    c.CreateTask: create.create_task,
    c.DeleteTask: create.delete_task,
    c.Execute: execute.execute,
    c.ExecutePipeline: execute.execute_pipeline,
    c.Finish: attempt.finish,
    c.Finished: attempt.finished,
    c.Lend: loan.lend,
    c.Recall: loan.recall,
    c.Retry: execute.retry,
    c.Started: attempt.started,
    c.Sweep: stop.sweep,
    c.Tell: upstream.tell,
    c.Unwatch: upstream.unwatch,
    c.UpstreamFinished: upstream.upstream_finished,
    c.Wake: stop.wake,
    c.Watch: upstream.watch,
    c.WorkerLost: attempt.worker_lost,
}


def decide(
    table: Table, partition: Partition, command: c.TaskCommand, now: int, position: int = 0
) -> list[Event | Rejection | Sent]:
    """Events (already applied to `table`, in this order), rejections, and commands to be sent to their homes.

    `now` is the log's time of the command in epoch milliseconds and `position` (see `position_of`) its place there,
    so that a replayed log decides the same.
    """
    step = Step(table, partition, now, position)
    _PROCESSORS[type(command)](step, command)
    if step.ended_some:
        upstream.tell_all(step)
    return step.out
