"""Upstream tasks that nobody knows: allowed, since they may come later, and most often a slip of the keyboard."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from pipelines.events import AnyEvent, CreateEvent, SubmitEvent
from pipelines.faults import nearest, shown
from pipelines.ids import execution_id, to_text
from pipelines.model import AnyTask
from ui.cli.looks import notes, safe
from ui.client import ApiError, ApiUnavailableError, Client, found, tasks_kept

Placed = tuple[AnyTask, str | None]
"""A task and the name of its run, empty for the one without a name; none: it is defined, and in no run yet."""

LOOKS = 50
"""So many are asked for one by one, and no more: somebody waits for the answer."""


def unknown_upstreams(client: Client, tasks: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    """Who waits for a task that is none of these, nor kept, nor executed in that run; and that in a sentence."""
    own = {task.id for task, _ in tasks}
    waits = [(task.id, *other) for task, run in tasks for other in _upstream(task, run) if other[0] not in own]
    names = dict.fromkeys(name for _, name, _ in waits)
    gone = {name for name in islice(names, LOOKS) if not _is_kept(client, name)}
    places = dict.fromkeys((name, run) for _, name, run in waits if name in gone)
    unknown = {place for place in islice(places, LOOKS) if not _was_executed(client, *place)}
    kept = tasks_kept(client) if unknown else []
    for waiting, name in dict.fromkeys((waiting, name) for waiting, name, run in waits if (name, run) in unknown):
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
        return [(task, None) for task in tasks if task]
    return []


def _upstream(task: AnyTask, run: str | None) -> list[tuple[str, str | None]]:
    """Each by name and run."""
    return [(one, run) if isinstance(one, str) else (one.task, one.run) for one in task.upstream]


def _is_kept(client: Client, name: str) -> bool:
    task = found(client.task, name)
    return task is not None and not task.deleted


def _was_executed(client: Client, name: str, run: str | None) -> bool:
    return run is not None and found(client.execution, to_text(execution_id(name, run))) is not None
