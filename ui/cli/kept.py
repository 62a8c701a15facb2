"""`headrace tasks` and `headrace pipelines`: what can be executed."""

from typing import Annotated

from cyclopts import Parameter

from pipelines.command import command
from pipelines.requests import ExecutionFilter
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.guess import unknown_names
from ui.cli.looks import cell, console, moment, name, notes, safe
from ui.cli.tables import Row, fitted
from ui.parts import formats


def tasks(
    *,
    pipeline: str | None = None,
    limit: int = 100,
    after: Annotated[str, Parameter(show_default=False)] = "",
    common: Common = PLAIN,
) -> None:
    """The command `tasks`.

    Args:
        pipeline: Only those of this pipeline.
        limit: Rows of a page.
        after: The next page: the last task of the page before.
        common: Of every command.
    """
    with connected() as client:
        found = client.tasks(pipeline=pipeline, limit=limit, after=after)
        hints = [] if found or common.json else unknown_names(client, ExecutionFilter(pipeline=pipeline))
    if common.json:
        return print_json(found)
    if hints:
        return notes.print(safe(hints[0]), soft_wrap=True)
    if not found:
        return notes.print(f"No task is kept. Keep one: {command('create FILE')}")
    rows: list[Row] = [
        {
            "task": name(one.task),
            "kind": one.kind,
            "prio": formats.priority(one.priority),
            "pool": name(one.pool),
            "upstream": cell(", ".join(one.upstream)),
            "description": cell(one.description),
        }
        for one in found
    ]
    drawn, _ = fitted(rows, names="task", cut=["upstream", "description"], spare=["description", "upstream", "pool"])
    console.print(drawn)
    if len(found) == limit:
        notes.print(f"there may be more: --after {found[-1].task}", soft_wrap=True)
    return None


def pipelines(*, common: Common = PLAIN) -> None:
    """The command `pipelines`."""
    with connected() as client:
        found = client.pipelines()
    if common.json:
        return print_json(found)
    if not found:
        return notes.print(f"No pipeline is kept. Keep one: {command('create FILE')}")
    rows: list[Row] = [
        {
            "pipeline": name(one.pipeline),
            "tasks": str(len(one.tasks)),
            "created": moment(one.created_at),
            "description": cell(one.description),
        }
        for one in found
    ]
    drawn, _ = fitted(rows, names="pipeline", cut=["description"], spare=["description"], right=["tasks"])
    return console.print(drawn)
