"""`headrace delete TASK`, or all tasks of a pipeline."""

from http import HTTPStatus

from pipelines.command import command
from pipelines.events import DeleteEvent
from pipelines.faults import shown
from pipelines.views import Accepted, Problem
from ui.cli.asking import Yes, confirm
from ui.cli.common import PLAIN, Common, connected, print_json, undecided
from ui.cli.exits import UsageError, mapped
from ui.cli.guess import ask_first, guessing, nearly_pipeline, pipeline_or_nearly_task
from ui.cli.looks import notes, safe
from ui.client import ApiError, Client
from ui.parts import formats


def delete(
    task: str | None = None, /, *, pipeline: str | None = None, yes: Yes = False, common: Common = PLAIN
) -> None:
    """The command `delete`.

    Args:
        task: The task's id.
        pipeline: Instead of that: all tasks of this pipeline, which is listed no longer.
        yes: Do not ask; one task is deleted without a question.
        common: Of every command.
    """
    with mapped():
        if (task is None) == (pipeline is None):
            raise UsageError(f"name one task, or a pipeline: `{command('delete --pipeline NAME')}`")
    with connected() as client:
        ordered = _one(client, task) if task is not None else _whole(client, pipeline or "", yes=yes)
    if common.json:
        return print_json(ordered)
    if isinstance(ordered, Accepted):
        return notes.print(safe(f"deleted {task}")) if ordered.decided else undecided(f"ordered the deletion of {task}")
    return undecided(f"ordered the deletion of {formats.number_of(len(ordered), 'task')} of {pipeline}")


def _one(client: Client, task: str) -> Accepted:
    """Delete a task that is still there; a refusal is an error."""
    with guessing(client, task, pipeline_or_nearly_task):
        ask_first(lambda name: _kept(client, name), task)
        return client.delete_task(task)


def _kept(client: Client, task: str) -> None:
    """Raise ApiError where there is no such task, or no longer."""
    if client.task(task).deleted:
        raise ApiError(Problem(title="Not Found", status=HTTPStatus.NOT_FOUND, detail=f"no task {shown(task)}"))


def _whole(client: Client, pipeline: str, *, yes: bool) -> tuple[Accepted, ...]:
    """Order the deletion of those tasks of a pipeline that are still there, all at once."""
    with guessing(client, pipeline, nearly_pipeline):
        tasks = [one for one in client.pipeline(pipeline).tasks if not client.task(one).deleted]
        if not tasks:
            raise ApiError(
                Problem(title="Not Found", status=HTTPStatus.NOT_FOUND, detail=f"no pipeline {shown(pipeline)}")
            )
    if not yes:
        confirm(f"Delete {pipeline} with its {formats.number_of(len(tasks), 'task')}?")
    return client.send(DeleteEvent(task=one) for one in tasks)
