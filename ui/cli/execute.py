"""`headrace execute`: what was created before."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from cyclopts import Parameter

from pipelines.command import command
from ui.cli.common import PLAIN, Common, connected
from ui.cli.documents import read_json
from ui.cli.exits import UsageError, mapped
from ui.cli.guess import guessing, nearly_same
from ui.cli.times import due
from ui.cli.waiting import report, report_all
from ui.client import ApiError, ApiUnavailableError, Client

T = TypeVar("T")


def execute(
    name: str | None = None,
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
        name: A task's id; or, where there is no such task, a pipeline's, all of whose tasks are executed in one run.
        pipeline: Instead of that: a pipeline, whatever tasks there are.
        run: The run's name; none: a new one.
        at: Not before: a time (ISO 8601) or a duration from now (90s, 15m).
        payload: JSON instead of the task's own payload; @FILE reads it from a file.
        priority: 0 to 9, instead of the task's own.
        wait: Wait for the end and print the result; exit 1 if it is no success.
        common: Of every command.
    """
    with mapped():
        if (name is None) == (pipeline is None):
            raise UsageError(f"name one task or pipeline: `{command('execute NAME')}`")
        value = None if payload is None else read_json(payload)
        moment = due(at)
    with connected() as client:
        if name is not None and not _means_pipeline(client, name):
            with guessing(client, name, nearly_same):
                made = client.execute(name, run=run, at=moment, payload=value, priority=priority)
            return report(client, made, common, wait=wait)
        made = client.run_pipeline(pipeline or name or "", run=run, at=moment, payload=value, priority=priority)
        return report_all(client, [made], common, wait=wait)


def _means_pipeline(client: Client, name: str) -> bool:
    """Whether there is a pipeline of that name and no task in force. It is asked, not tried: a refusal is recorded."""
    task = _found(client.task, name)
    return (task is None or task.deleted) and _found(client.pipeline, name) is not None


def _found(look: Callable[[str], T], name: str) -> T | None:
    """What is there; none also where that cannot be said now, since the order itself will tell why."""
    try:
        return look(name)
    except (ApiError, ApiUnavailableError):
        return None
