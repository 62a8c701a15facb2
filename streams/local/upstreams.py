"""Upstream tasks that nobody knows, by the place in its file of the task that waits for one."""

from collections.abc import Iterator

from pipelines.dsl import DefinedTask
from pipelines.loader import Registry
from ui.cli.upstreams import unknown_upstreams
from ui.client import Client


def unknown_in_folder(client: Client, registry: Registry) -> Iterator[str]:
    """A line for each upstream task that neither the folder defines nor the system knows."""
    own = {task.id: task for task in _defined(registry)}
    for waiting, why in unknown_upstreams(client, [(task.model, None) for task in own.values()]):
        yield f"{own[waiting].place}: {why}"


def _defined(registry: Registry) -> Iterator[DefinedTask]:
    yield from registry.tasks.values()
    for pipeline in registry.pipelines.values():
        yield from pipeline.tasks.values()
