"""Upstream tasks that nobody knows: allowed, since they may come later, and most often a slip of the keyboard."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from pipelines.events import AnyEvent, CreateEvent, SubmitEvent
from pipelines.faults import nearest, shown
from pipelines.ids import execution_id, to_text
from pipelines.model import AnyTask
from ui.cli.looks import notes, safe
from ui.client import ApiError, ApiUnavailableError, Client, found, tasks_kept

Placed = tuple[AnyTask, str]
"""A task and the name of its run; empty where it has none."""


def unknown_upstreams(client: Client, tasks: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    """Who waits for a task that is none of these, nor kept, nor executed in that run; and that in a sentence."""
    own = {task.id for task, _ in tasks}
    waits = [(task.id, other) for task, run in tasks for other in _upstream(task, run) if other[0] not in own]
    unknown = {other for other in {other for _, other in waits} if not _is_known(client, *other)}
    kept = tasks_kept(client) if unknown else []
    for waiting, name in dict.fromkeys((waiting, other[0]) for waiting, other in waits if other in unknown):
        meant = nearest(name, [*(own - {waiting}), *kept])
        yield waiting, f"task {shown(waiting)} waits for {shown(name)}, and there is no such task yet{meant}"


def warn_of_unknown(client: Client, events: Iterable[AnyEvent]) -> None:
    """Say of what was sent which upstream tasks nobody knows; nothing, where that cannot be learned now."""
    with suppress(ApiError, ApiUnavailableError):
        for _, why in unknown_upstreams(client, [one for event in events for one in _tasks(event)]):
            notes.print(safe(f"Warning: {why}"), soft_wrap=True)


def _tasks(event: AnyEvent) -> list[Placed]:
    if isinstance(event, SubmitEvent):
        return [(event.task, event.run or "")]
    if isinstance(event, CreateEvent):
        tasks = event.pipeline.tasks if event.pipeline else (event.task,)
        return [(task, "") for task in tasks if task]
    return []


def _upstream(task: AnyTask, run: str) -> list[tuple[str, str]]:
    """Each by name and run."""
    return [(one, run) if isinstance(one, str) else (one.task, one.run) for one in task.upstream]


def _is_known(client: Client, name: str, run: str) -> bool:
    task = found(client.task, name)
    kept = task is not None and not task.deleted
    return kept or found(client.execution, to_text(execution_id(name, run))) is not None
