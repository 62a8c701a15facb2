"""Executions in an order in which they can be retried: who waits finds the new executions of what it waits for."""

from collections.abc import Iterable, Mapping

from pipelines.ids import execution_id, to_text
from pipelines.views import ExecutionRow


def in_order(rows: Mapping[str, ExecutionRow], upstream: Mapping[str, Iterable[str]]) -> list[str]:
    """The ids, each after those of them that it waits for; where some wait for each other, the first one waits last.

    `upstream`: by id what it waits for.
    """
    # who waits may name the first execution of a task in a run, or any of its retries
    now = {to_text(execution_id(row.task, row.run, n)): one for one, row in rows.items() for n in range(row.again + 1)}
    left = {one: (now[which] for which in upstream.get(one, ()) if which in now) for one in rows}
    begun: set[str] = set()
    ordered: list[str] = []
    for first in rows:
        path = [] if first in begun else [first]  # not recursion: a chain may be longer than Python's stack
        while path:
            begun.add(path[-1])
            if ahead := next((one for one in left[path[-1]] if one not in begun), None):
                path.append(ahead)
            else:
                ordered.append(path.pop())
    return ordered
