"""`headrace execute`: what was created before."""

from http import HTTPStatus
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.command import command
from pipelines.faults import shown
from pipelines.listed import listed
from pipelines.views import Problem, TaskView
from ui.cli.accepted import report
from ui.cli.common import PLAIN, Common, connected
from ui.cli.documents import read_json
from ui.cli.exits import UsageError, mapped
from ui.cli.guess import ask_first, guessing, kept_or_nearly_same
from ui.cli.times import due
from ui.cli.waiting import follow, follow_all
from ui.client import ApiError, ApiUnavailableError, Client, found


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
    """The command `execute`.

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
    said: dict[str, Any] = {"run": run, "at": moment, "payload": value, "priority": priority}
    with connected() as client:
        with guessing(client, name or pipeline or "", kept_or_nearly_same):
            whole = _pipeline_meant(client, name, pipeline, run)
            made = client.run_pipeline(whole, **said) if whole else client.execute(name or "", **said)
        if not wait:
            return report(made, common)
        return follow_all(client, [made], common) if whole else follow(client, made, common)


def _pipeline_meant(client: Client, name: str | None, pipeline: str | None, run: str | None) -> str | None:
    """The pipeline that is meant; none: the task. It is asked, not tried: a refused order is recorded.

    Raises ApiError where there is no such thing, and UsageError where a task needs a run and none is named.
    """
    if name is None:
        ask_first(client.pipeline, pipeline or "")
        return pipeline
    try:
        if (task := found(client.task, name)) and not task.deleted:
            _refuse_without_run(task, run)
            return None
        if found(client.pipeline, name):
            return name
    except ApiUnavailableError:  # the order itself will tell
        return None
    detail = (
        f"there is no task or pipeline {shown(name)}: create it first (`{command('create FILE')}`), or submit it whole"
    )
    raise ApiError(Problem(title="Not Found", status=HTTPStatus.NOT_FOUND, detail=detail))


def _refuse_without_run(task: TaskView, run: str | None) -> None:
    """Raise UsageError for a task that waits for others of its run, where that is not named."""
    waits_for = [one for one in task.upstream if " in " not in one]  # the others name a run of their own
    if waits_for and run is None:
        names = listed(waits_for)
        raise UsageError(
            f"task {shown(task.task)} waits for {names}: name the run in which they are executed, by --run"
        )
