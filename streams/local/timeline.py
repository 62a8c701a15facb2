"""A run as lines of text: the tree of its tasks, and each task's bar in time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from pipelines.model import AnyTask
from pipelines.views import TERMINAL_STATES, ExecutionRow
from ui.cli.looks import LOOKS
from ui.parts import formats

WIDTH = 16
"""Characters of the longest bar: a line of the tree fits into 80."""


class Node(NamedTuple):
    """A task in the tree: the lines before its name, and the upstream tasks under which it does not stand."""

    task: str
    prefix: str
    others: tuple[str, ...]


def tree(tasks: Sequence[AnyTask]) -> list[Node]:
    """The tasks in the order of a tree. One that waits for several stands under the one that is farthest down."""
    local = {task.id: [u for u in task.upstream if isinstance(u, str)] for task in tasks}
    known = {name: [u for u in upstream if u in local] for name, upstream in local.items()}
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(depth_of, known[name]), default=-1)
        return depth[name]

    parent = {name: max(upstream, key=depth_of, default="") for name, upstream in known.items()}
    return list(_branch("", "", parent, known))


def _branch(above: str, indent: str, parent: Mapping[str, str], upstream: Mapping[str, list[str]]) -> Iterator[Node]:
    below = [name for name, over in parent.items() if over == above]
    for name in below:
        last = name == below[-1]
        others = tuple(other for other in upstream[name] if other != above)
        yield Node(name, indent + ("└─ " if last else "├─ "), others)
        yield from _branch(name, indent + ("   " if last else "│  "), parent, upstream)


def bar(row: ExecutionRow, start: datetime, now: datetime, width: int = WIDTH) -> Text:
    """The time of an execution on a line from `start` to `now`: light while it waits, solid while it runs."""
    whole = max((now - start).total_seconds(), 0.001)

    def column(at: datetime | None) -> int:
        seconds = ((at or now) - start).total_seconds()
        return min(max(round(seconds / whole * width), 0), width)

    began, ended = row.started_at or row.finished_at, row.finished_at
    if row.ready_at is None and began is None:
        return Text(" " * width)
    ready = column(row.ready_at or began)
    run = max(column(began), ready)
    end = max(column(ended), min(run + 1, width)) if began else run
    line = Text(" " * ready).append("░" * (run - ready), "bright_black").append("█" * (end - run), LOOKS[row.state][1])
    return line.append(" " * (width - len(line)))


def took(row: ExecutionRow | None, now: datetime) -> str:
    """How long an execution ran, or has run by `now`; that may be before it started."""
    if row is None or row.started_at is None or (row.finished_at or now) < row.started_at:
        return ""
    return formats.duration(((row.finished_at or now) - row.started_at).total_seconds() * 1000)


def ended(row: ExecutionRow | None) -> bool:
    """Whether an execution is known and over."""
    return row is not None and row.state in TERMINAL_STATES
