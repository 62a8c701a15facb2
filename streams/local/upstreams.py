"""Upstream tasks that nobody knows: allowed, since they may come later, and most often a slip of the keyboard."""

from collections.abc import Iterable, Iterator

from pipelines.dsl import DefinedTask
from pipelines.faults import nearest, shown
from pipelines.loader import Registry
from ui.client import Client, found, tasks_kept


def unknown_upstreams(client: Client, registry: Registry) -> Iterator[str]:
    """A line for each upstream task that neither the folder defines nor the system keeps."""
    own = {task.id: task for task in _defined(registry)}
    waits = [(task, name) for task in own.values() for name in _upstream(task) if name not in own]
    unknown = {name for name in {name for _, name in waits} if not _is_kept(client, name)}
    kept = tasks_kept(client) if unknown else []
    for task, name in waits:
        if name in unknown:
            meant = nearest(name, [*(own.keys() - {task.id}), *kept])
            why = f"task {shown(task.id)} waits for {shown(name)}, and there is no such task yet"
            yield f"{task.place}: {why}{meant}"


def _upstream(task: DefinedTask) -> Iterable[str]:
    """Each once, also where it is waited for in several runs."""
    return dict.fromkeys(one if isinstance(one, str) else one.task for one in task.model.upstream)


def _defined(registry: Registry) -> Iterator[DefinedTask]:
    yield from registry.tasks.values()
    for pipeline in registry.pipelines.values():
        yield from pipeline.tasks.values()


def _is_kept(client: Client, name: str) -> bool:
    task = found(client.task, name)
    return task is not None and not task.deleted
