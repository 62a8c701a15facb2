"""Executions in an order in which they can be retried: who waits finds the new executions of what it waits for."""

from collections.abc import Iterable, Mapping

from pipelines.ids import execution_id, from_text, home_of, to_text
from pipelines.views import ExecutionRow

Waits = Mapping[str, list[str]]
"""Of each execution, those of the others that it waits for."""


def in_turns(
    rows: Mapping[str, ExecutionRow], upstream: Mapping[str, Iterable[str]], partitions: int
) -> list[list[str]]:
    """The ids, each after those of them that it waits for, in turns, each of which is to be durable before the next.

    What one partition gets has the order of its log, so that a new turn is needed where somebody waits for an execution
    of another one. `upstream`: by id what it waits for.
    """
    waits = _among(rows, upstream)
    home = {one: home_of(from_text(one), partitions) for one in rows}
    turn: dict[str, int] = {}
    for one in _in_order(waits):
        turn[one] = max((turn[w] + (home[w] != home[one]) for w in waits[one] if w in turn), default=0)
    turns: list[list[str]] = [[] for _ in range(max(turn.values(), default=-1) + 1)]
    for one, number in turn.items():
        turns[number].append(one)
    return turns


def _among(rows: Mapping[str, ExecutionRow], upstream: Mapping[str, Iterable[str]]) -> Waits:
    # who waits may name the first execution of a task in a run, or any of its retries
    now = {to_text(execution_id(row.task, row.run, n)): one for one, row in rows.items() for n in range(row.again + 1)}
    return {one: [now[which] for which in upstream.get(one, ()) if which in now] for one in rows}


def _in_order(waits: Waits) -> list[str]:
    """Each after those that it waits for; where some wait for each other, the first one waits last."""
    left = {one: iter(others) for one, others in waits.items()}
    begun: set[str] = set()
    ordered: list[str] = []
    for first in waits:
        path = [] if first in begun else [first]  # not recursion: a chain may be longer than Python's stack
        while path:
            begun.add(path[-1])
            if ahead := next((one for one in left[path[-1]] if one not in begun), None):
                path.append(ahead)
            else:
                ordered.append(path.pop())
    return ordered
