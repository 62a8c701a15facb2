"""Upstream tasks that nobody knows: allowed, since they may come later, and most often a slip of the keyboard."""

from collections.abc import Iterator

from pipelines.dsl import DefinedTask
from pipelines.faults import shown
from pipelines.loader import Registry
from ui.cli.guess import NOT_FOUND, nearest, tasks_kept
from ui.client import ApiError, Client


def unknown_upstreams(client: Client, registry: Registry) -> Iterator[str]:
    """A line for each upstream task that neither the folder defines nor the system keeps."""
    own = {task.id: task for task in _defined(registry)}
    for task in own.values():
        for name in (one if isinstance(one, str) else one.task for one in task.model.upstream):
            if name not in own and not _is_kept(client, name):
                meant = nearest(name, [*(own.keys() - {task.id}), *tasks_kept(client)])
                why = f"task {shown(task.id)} waits for {shown(name)}, and there is no such task yet"
                yield f"{task.place}: {why}{meant and f'; {meant}'}"


def _defined(registry: Registry) -> Iterator[DefinedTask]:
    yield from registry.tasks.values()
    for pipeline in registry.pipelines.values():
        yield from pipeline.tasks.values()


def _is_kept(client: Client, name: str) -> bool:
    try:
        return not client.task(name).deleted
    except ApiError as error:
        if error.status == NOT_FOUND:
            return False
        raise
