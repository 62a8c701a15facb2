"""Executions in an order in which they can be retried: who waits finds the new executions of what it waits for."""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from pipelines.ids import execution_id, to_text
from sinks.record.history import Waits


def in_order(executions: Sequence[str], waits: Iterable[Waits]) -> list[str]:
    """The ids, each after those of them that it waits for; as they come, where some wait for each other."""
    chosen = set(executions)
    known = [one for one in waits if one.execution in chosen]
    # who waits may name the first execution of a task in a run, or any of its retries
    now = {to_text(execution_id(one.task, one.run, n)): one.execution for one in known for n in range(one.again + 1)}
    graph: dict[str, list[str]] = {one: [] for one in executions}
    graph |= {one.execution: [now[which] for which in one.upstream if which in now] for one in known}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(executions)
