"""`headrace list`, and the filter that other commands share with it."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from pipelines.requests import ExecutionFilter, Order
from pipelines.views import ExecutionPage, ExecutionRow, StateName
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.guess import unknown_task
from ui.cli.looks import ROOMY, cell, console, moment, narrow, notes, safe, state, table
from ui.cli.times import since
from ui.parts import formats

Many = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Filter:
    """Which executions; all that is given must hold."""

    state: Annotated[tuple[StateName, ...], Parameter(negative=(), show_default=False)] = ()
    """Any of these states; may be given many times."""
    since: str | None = None
    """Changed since: a duration (1h, 7d) or a time (ISO 8601)."""
    until: str | None = None
    """Changed before that."""
    text: str | None = None
    """Part of the task's id, the run or the execution's id."""
    task: str | None = None
    """Exactly this task."""
    pipeline: str | None = None
    """Tasks of this pipeline."""
    run: str | None = None
    """In this run."""
    priority: Annotated[tuple[int, ...], Parameter(negative=(), show_default=False)] = ()
    """Any of these priorities."""
    kind: Many = ()
    """Any of these kinds."""
    pool: Many = ()
    """Any of these pools."""
    queue: Many = ()
    """Any of these queues."""
    owner: str | None = None
    """Whose."""
    worker: str | None = None
    """On this worker."""
    late: Annotated[bool | None, Parameter(negative=(), show_default=False)] = None
    """Only those that missed their max_latency."""

    def resolved(self) -> ExecutionFilter:
        """The filter as the API takes it. Raises UsageError for a time that is none."""
        given: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return ExecutionFilter(**given | {"since": since(self.since), "until": since(self.until)})


NO_FILTER = Filter()

COLUMNS = ("state", "execution", "task", "run", "prio", "pool", "waited", "ran", "created", "changed")
SPARE = ("run", "pool", "changed")
"""Left out on a narrow terminal, so that ids stay whole and names readable."""
FIRST: dict[Order, str] = {
    "newest": "the last created first",
    "oldest": "the first created first",
    "priority": "the highest priority first",
    "waited": "the longest wait first",
}


def executions(
    *, which: Filter = NO_FILTER, order: Order = "newest", limit: int = 50, cursor: str = "", common: Common = PLAIN
) -> None:
    """Executions that match, a page at a time.

    Args:
        which: Which ones.
        order: Of the rows.
        limit: Rows of a page.
        cursor: The next page: what the page before named.
        common: Of every command.
    """
    with connected() as client:
        page = client.executions(which.resolved(), order=order, limit=limit, cursor=cursor)
        hint = unknown_task(client, which.task) if which.task and not page.total and not common.json else ""
    if common.json:
        print_json(page)
    else:
        _draw(page, order)
    if hint:
        notes.print(safe(hint), soft_wrap=True)


def _draw(page: ExecutionPage, order: Order) -> None:
    columns = [name for name in COLUMNS if not (narrow() and name in SPARE)]
    drawn = table(columns, right=["waited", "ran"], whole=["state", "execution", "prio", "ran", "created", "changed"])
    for row in page.items:
        cells = _cells(row)
        drawn.add_row(*(cells[name] for name in columns))
    if page.items:
        console.print(drawn)
    spared = f"; a terminal of {ROOMY} columns shows {', '.join(SPARE)} too" if narrow() and page.items else ""
    notes.print(f"{len(page.items)} of {page.total}, {FIRST[order]}{spared}", soft_wrap=True)
    if page.next:
        notes.print(Text(f"more: --cursor {page.next}", "dim"), soft_wrap=True)  # whoever copies it gets it whole


def _cells(row: ExecutionRow) -> dict[str, Any]:
    return {
        "state": state(row.state, late=row.late),
        "execution": formats.short_id(row.execution),
        "task": cell(row.task),
        "run": cell(row.run),
        "prio": formats.priority(row.priority),
        "pool": cell(row.pool),
        "waited": formats.wait(row.waited_ms, row.max_latency_ms),
        "ran": formats.duration(row.ran_ms),
        "created": moment(row.created_at),
        "changed": moment(row.updated_at),
    }
