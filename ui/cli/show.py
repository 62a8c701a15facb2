"""`headrace show ID`: one execution, drawn."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.json import JSON
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pipelines.command import command
from pipelines.views import TERMINAL_STATES, AttemptView, ExecutionView
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.exits import UsageError, mapped
from ui.cli.guess import guessing, run_or_task
from ui.cli.looks import LOOKS, cell, console, exactly, safe, state, table
from ui.parts import formats

LEGEND, LOST_TOO = "░ wait █ ran", " ▒ lost"
BAR, ROOMY = 30, 110
"""Columns of the timeline, which has those of its head on a narrow terminal; columns of one that is not narrow."""
ERROR = 60
"""Characters of an attempt's error; all of the last one stands below."""
RESULT_LINES, RESULT_CHARACTERS = 20, 2000
"""What is shown of a result; a program reads all of it by `-o json`."""


def show(execution: str, /, *, common: Common = PLAIN) -> None:
    """The command `show`.

    Args:
        execution: Its id (the last twelve characters, as lists show them, will do).
        common: Of every command.
    """
    with mapped():
        if not execution.strip():
            raise UsageError(f"name an execution by its id, as `{command('list')}` shows it")
    with connected() as client, guessing(client, execution, run_or_task):
        view = client.execution(execution)
    if common.json:
        print_json(view)
    else:
        console.print(Group(*parts(view, datetime.now(UTC))))


def parts(view: ExecutionView, now: datetime) -> Iterator[RenderableType]:
    """What is shown of an execution, from top to bottom."""
    yield Text.assemble(state(view.state, late=view.late), "  ", safe(view.task), "  ", view.execution)
    for sentence in view.why:
        yield Text.assemble("  ", safe(sentence))
    yield _facts(view)
    if view.attempts:
        yield _timeline(view.attempts, now)
    if view.upstream or view.downstream:
        yield _tree(view)
    if view.error or view.reason:
        longer = view.reason and view.error and view.error in view.reason
        yield Text.assemble(_heading(view), safe(view.reason if longer else view.error or view.reason))
    if view.result is not None:
        yield from begin_of_result(view)


def _heading(view: ExecutionView) -> str:
    if not view.error:
        return "reason  "
    return "error  " if view.state in TERMINAL_STATES else "error of the attempt before  "


def begin_of_result(view: ExecutionView) -> Iterator[Text]:
    """The result, or how it begins and how much there is."""
    whole = JSON.from_data(view.result, ensure_ascii=True).text
    begin = Text("\n").join(whole.split("\n")[:RESULT_LINES])[:RESULT_CHARACTERS]
    yield begin
    if len(begin) < len(whole):
        lines = whole.plain.count("\n") + 1
        there = f"{len(whole):,} characters" if lines == 1 else f"{lines:,} lines, {len(whole):,} characters"
        how = command(f"show {formats.short_id(view.execution)} -o json")
        yield Text(f"... the result has {there}; all of it: {how}", "bright_black")


def _facts(view: ExecutionView) -> Table:
    last = "last attempt " if view.attempt > 1 else ""
    facts = {
        "kind": view.kind,
        "run": view.run,
        "priority": formats.priority(view.priority),
        "pool, queue": f"{view.pool}, {view.queue}",
        "created": exactly(view.created_at),
        "due": exactly(view.due_at),
        f"{last}started": exactly(view.started_at),
        formats.ended(view.state): _end(view),
        f"{last}waited": formats.wait(view.waited_ms, view.max_latency_ms),
        f"{last}ran": formats.duration(view.ran_ms),
        "worker": view.worker,
        "delivery": formats.delivery(view.delivery),
        "retry of": view.retry_of,
        "retried as": view.retried_as,
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value and value != formats.MISSING:
            grid.add_row(Text(f"  {name}", "bright_black"), safe(value))
    return grid


def _end(view: ExecutionView) -> str | None:
    return exactly(view.finished_at) if view.state in TERMINAL_STATES else None


def _timeline(attempts: tuple[AttemptView, ...], now: datetime) -> Table:
    """A bar an attempt, all on one scale: light where it waited, full where it ran, hatched where it may have."""
    legend = LEGEND + LOST_TOO if any(one.state == "lost" for one in attempts) else LEGEND
    columns = ["attempt", "state", legend, "waited", "ran", "worker", "error"]
    drawn = table(columns, right=["waited", "ran"], whole=columns[:5])
    moments = [m for a in attempts for m in (a.ready_at or a.dispatched_at, a.finished_at or now) if m]
    start, end = min(moments), max(moments)
    width = BAR if console.width >= ROOMY else len(legend)
    for one in attempts:
        waited, ran = formats.duration(one.waited_ms), formats.duration(one.ran_ms)
        bar = _bar(one, start, (end - start).total_seconds(), width, now)
        drawn.add_row(
            str(one.attempt), state(one.state), bar, waited, ran, cell(one.worker), cell(_last_line(one.error))
        )
    return drawn


def _bar(attempt: AttemptView, start: datetime, seconds: float, width: int, now: datetime) -> Text:
    def column(at: datetime) -> int:
        return round((at - start).total_seconds() / max(seconds, 0.001) * width)

    ready = attempt.ready_at or attempt.dispatched_at or start
    finished = attempt.finished_at or now
    started = attempt.started_at or finished
    left, middle, right = column(ready), column(started), column(finished)
    ran = max(right - middle, 1 if attempt.started_at else 0)
    style, mark = LOOKS[attempt.state][1], "▒" if attempt.state == "lost" else "█"
    return Text.assemble(" " * min(left, width - 1), ("░" * (middle - left), "bright_black"), (mark * ran, style))


def _last_line(text: str | None) -> str | None:
    line = text.strip().splitlines()[-1] if text and text.strip() else None
    return f"{line[: ERROR - 1]}…" if line and len(line) > ERROR else line


def _tree(view: ExecutionView) -> Tree:
    root = Tree(Text.assemble(safe(view.task), " ", state(view.state)))
    for title, others in (("upstream", view.upstream), ("downstream", view.downstream)):
        if others:
            branch = root.add(Text(title, "bright_black"))
            for one in others:
                ended = state(one.state) if one.state else Text("not ended", "bright_black")
                branch.add(Text.assemble(safe(one.task), "  ", ended, "  ", formats.short_id(one.execution)))
    return root
