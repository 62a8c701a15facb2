"""`headrace execute`: what was created before."""

from typing import Annotated

from cyclopts import Parameter

from ui.cli.common import PLAIN, Common, connected
from ui.cli.documents import read_json
from ui.cli.exits import UsageError, mapped
from ui.cli.times import due
from ui.cli.waiting import report, report_all


def execute(
    task: str | None = None,
    /,
    *,
    pipeline: str | None = None,
    run: str | None = None,
    at: str | None = None,
    payload: str | None = None,
    priority: int | None = None,
    wait: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    common: Common = PLAIN,
) -> None:
    """Execute a task or a pipeline that was created before. Prints the execution's or the run's name at once.

    Args:
        task: The task's id.
        pipeline: Instead of a task: a pipeline, all of whose tasks are executed in one run.
        run: The run's name; none: a new one.
        at: Not before: a time (ISO 8601) or a duration from now (90s, 15m).
        payload: JSON instead of the task's own payload; @FILE reads it from a file.
        priority: 0 to 9, instead of the task's own.
        wait: Wait for the end and print the result; exit 1 if it is no success.
        common: Of every command.
    """
    with mapped():
        if (task is None) == (pipeline is None):
            raise UsageError("name a task, or a pipeline with --pipeline")
        value = None if payload is None else read_json(payload)
        moment = due(at)
    with connected() as client:
        if task is not None:
            made = client.execute(task, run=run, at=moment, payload=value, priority=priority)
            return report(client, made, common, wait=wait)
        made = client.run_pipeline(pipeline or "", run=run, at=moment, payload=value, priority=priority)
        return report_all(client, [made], common, wait=wait)
