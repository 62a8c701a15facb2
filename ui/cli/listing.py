"""`headrace list`, and the filter that other commands share with it."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.model import KindName
from pipelines.requests import ExecutionFilter, Order
from pipelines.views import ExecutionPage, ExecutionRow, StateName
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.exits import UsageError, mapped
from ui.cli.guess import unknown_names
from ui.cli.looks import console, moment, name, notes, safe, state
from ui.cli.tables import Row, fitted
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
    kind: Annotated[tuple[KindName, ...], Parameter(negative=(), show_default=False)] = ()
    """Any of these kinds."""
    pool: Many = ()
    """Any of these pools."""
    queue: Many = ()
    """Any of these queues."""
    owner: str | None = None
    """Of this owner."""
    worker: str | None = None
    """On this worker."""
    late: Annotated[bool | None, Parameter(negative=(), show_default=False)] = None
    """Only those that waited longer than their --max-latency."""

    def resolved(self) -> ExecutionFilter:
        """The filter as the API takes it. Raises UsageError for a time that is none."""
        given: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return ExecutionFilter(**given | {"since": since(self.since), "until": since(self.until)})


NO_FILTER = Filter()

LARGEST = 1000
"""Rows of the largest page that the API gives."""
REACH = 50 * LARGEST
"""Rows that are passed over at most, some seconds' worth: the API knows only the way from page to page."""

SPARE = ("changed", "pool", "run")
"""Left out where a terminal is too narrow for them, the first first."""
FIRST: dict[Order, str] = {
    "newest": "the last created first",
    "oldest": "the first created first",
    "changed": "the last changed first",
    "priority": "the highest priority first",
    "waited": "the longest wait first",
}


def executions(
    *,
    which: Filter = NO_FILTER,
    order: Order = "newest",
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=LARGEST))] = 50,
    page: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    cursor: Annotated[str, Parameter(show_default=False)] = "",
    common: Common = PLAIN,
) -> None:
    """The command `list`.

    Args:
        which: Which ones.
        order: Which rows come first.
        limit: Rows of a page, 1 to 1000.
        page: Which page, the first is 1, behind up to 50,000 rows; what comes meanwhile moves the rows on.
        cursor: For programs: `next` of the answer before, as `-o json` has it; what comes meanwhile moves no rows.
        common: Of every command.
    """
    with mapped():
        if cursor and page > 1:
            raise UsageError("--page counts from the first page, --cursor goes on behind another: give one of them")
        if _before(page, limit) > REACH:
            ways = "narrow by filters, e.g. --until, or go on behind a page with --cursor (`next` of -o json)"
            raise UsageError(f"--page {page} lies behind more than {REACH:,} rows: {ways}")
        chosen = which.resolved()
    with connected() as client:
        ask = partial(client.executions, chosen, order=order)
        found = ask(limit=limit, cursor=cursor) if cursor else _page(ask, page, limit)
        hints = [] if found.total or common.json else unknown_names(client, chosen)
    if common.json:
        print_json(found)
    else:
        _draw(found, order)
        if found.next:
            by_cursor = cursor or _before(page + 1, limit) > REACH
            more = f"--cursor {found.next}" if by_cursor else f"--page {page + 1}"
            notes.print(f"more: {more}", style="dim", soft_wrap=True)
    for hint in hints:
        notes.print(safe(hint), soft_wrap=True)


def _before(page: int, limit: int) -> int:
    """How many rows come before a page."""
    return (page - 1) * limit


def _page(ask: Callable[..., ExecutionPage], number: int, limit: int) -> ExecutionPage:
    """The page of this number, behind as few others as can be."""
    cursor, left = "", _before(number, limit)
    while left:
        found = ask(limit=min(left, LARGEST), cursor=cursor)
        if found.next is None:
            last = max(-(-found.total // limit), 1)
            raise UsageError(f"there is no page {number}: page {last} is the last one")
        cursor, left = found.next, left - len(found.items)
    return ask(limit=limit, cursor=cursor)


def _draw(found: ExecutionPage, order: Order) -> None:
    spared = ""
    if found.items:
        drawn, out = fitted([_cells(row) for row in found.items], names="task", spare=SPARE, right=["waited", "ran"])
        console.print(drawn)
        spared = f"; a wider terminal shows {', '.join(out)} too" if out else ""
    notes.print(f"{len(found.items)} of {found.total}, {FIRST[order]}{spared}", soft_wrap=True)


def _cells(row: ExecutionRow) -> Row:
    return {
        "state": state(row.state, late=row.late),
        "execution": formats.short_id(row.execution),
        "task": name(row.task),
        "run": name(row.run),
        "prio": formats.priority(row.priority),
        "pool": name(row.pool),
        "waited": formats.wait(row.waited_ms, row.max_latency_ms),
        "ran": formats.duration(row.ran_ms),
        "created": moment(row.created_at),
        "changed": moment(row.updated_at),
    }
