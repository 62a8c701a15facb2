"""`headrace tasks` and `headrace pipelines`: what can be executed."""

from pipelines.command import command
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import cell, console, moment, notes, table
from ui.parts import formats


def tasks(*, pipeline: str | None = None, limit: int = 100, after: str = "", common: Common = PLAIN) -> None:
    """Tasks that are kept (created or loaded) and can be executed, by id, a page at a time.

    Args:
        pipeline: Only those of this pipeline.
        limit: Rows of a page.
        after: The next page: the last task of the page before.
        common: Of every command.
    """
    with connected() as client:
        found = client.tasks(pipeline=pipeline, limit=limit, after=after)
    if common.json:
        return print_json(found)
    drawn = table(["task", "kind", "prio", "pool", "upstream", "description"], whole=["kind", "prio"])
    for one in found:
        upstream, prio = cell(", ".join(one.upstream)), formats.priority(one.priority)
        drawn.add_row(cell(one.task), one.kind, prio, cell(one.pool), upstream, cell(one.description))
    if not found:
        return notes.print(f"No task is kept. Keep one: {command('create FILE')}")
    console.print(drawn)
    if len(found) == limit:
        notes.print(f"there may be more: --after {found[-1].task}", soft_wrap=True)
    return None


def pipelines(*, common: Common = PLAIN) -> None:
    """Pipelines that are kept (created or loaded) and can be executed, by id."""
    with connected() as client:
        found = client.pipelines()
    if common.json:
        return print_json(found)
    drawn = table(["pipeline", "tasks", "created", "description"], right=["tasks"], whole=["tasks", "created"])
    for one in found:
        drawn.add_row(cell(one.pipeline), str(len(one.tasks)), moment(one.created_at), cell(one.description))
    if not found:
        return notes.print(f"No pipeline is kept. Keep one: {command('create FILE')}")
    return console.print(drawn)
