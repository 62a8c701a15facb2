"""What a person sees of `headrace up`: live on a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from pipelines.model import PipelineModel
from pipelines.views import ExecutionRow, QueryAnswer
from streams.local.supervisor import Child
from streams.local.timeline import Node, bar, ended, took, tree
from ui.cli.looks import safe, state, table

NUMBERS = ("Int", "Float", "Decimal")
"""Parts of the names of ClickHouse's types of numbers."""

LISTED_WITHIN = timedelta(seconds=1)
"""A list may be behind by so much: what it calls running ran then for sure, and no time that is shown ever shrinks."""

ROLE_LOOKS = {
    "ready": ("✓", "green"),
    "restarting": ("↻", "yellow"),
    "starting": ("▷", "cyan"),
    "stopped": ("·", "dim"),
}


class Screen:
    """Lines for people, and below them a part that moves."""

    def __init__(self, console: Console | None = None) -> None:
        """On a terminal the roles and the run are drawn anew at each change; elsewhere changes are lines."""
        self.console = console or Console(highlight=False)
        self.children: Sequence[Child] = ()
        self._nodes: list[Node] = []
        self._rows: Mapping[str, ExecutionRow] = {}
        self._title = ""
        self._told: dict[str, str] = {}
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False, soft_wrap=True)

    def happened(self, line: str) -> None:
        """The same, with the time of day: it may be read hours later."""
        self.say(f"{datetime.now():%H:%M:%S} {line}")  # noqa: DTZ005  (the clock on the wall)

    def table(self, answer: QueryAnswer) -> None:
        """Rows of a query, which stay."""
        self.console.print(answer_table(answer))

    def open(self) -> None:
        """Begin the part that moves."""
        if self.console.is_terminal:
            self._live.start()

    def close(self) -> None:
        """End the part that moves; what it showed last stays, but for roles that would seem to start for ever."""
        if self._live.is_started:
            self._live.stop()
            self.console.print(self._picture([child for child in self.children if child.state != "starting"]))
        self._nodes, self._rows, self._title = [], {}, ""

    def redraw(self) -> None:
        """Show the present state of the roles and the run."""
        if self._live.is_started:
            self._live.update(self._picture(self.children), refresh=True)
        elif not self.console.is_terminal:
            self._tell()

    def follow(self, pipeline: PipelineModel, run: str) -> None:
        """Draw this run from now on."""
        self._nodes, self._title = tree(pipeline.tasks), f"{pipeline.id}, run {run}"
        if not self.console.is_terminal:
            self.say(f"Running {self._title}")

    def show(self, rows: Mapping[str, ExecutionRow]) -> None:
        """The run's executions by task, as they are now."""
        self._rows = rows
        self.redraw()

    def _tell(self) -> None:
        now = {child.role.name: child.state for child in self.children if self._is_news(child)}
        rows = [row for node in self._nodes if (row := self._rows.get(node.task))]
        now |= {row.task: _word(row) for row in sorted(rows, key=lambda row: (row.updated_at, not ended(row)))}
        for name, word in now.items():
            if self._told.get(name) != word:
                self.say(f"{name}: {word}")
        self._told.update(now)

    def _is_news(self, child: Child) -> bool:
        """What becomes of a role that came up, the supervisor says, until it is stopped."""
        return self._told.get(child.role.name) != "ready" or child.state == "stopped"

    def _picture(self, roles: Sequence[Child]) -> RenderableType:
        parts: list[RenderableType] = []
        if not self._nodes or any(child.state != "ready" for child in roles):
            parts.append(_roles(roles))
        if self._nodes:
            parts += [Text(f"\n{self._title}", "bold"), self._run()]
        return Group(*parts)

    def _run(self) -> Table:
        now = datetime.now(UTC) - LISTED_WITHIN
        rows = [row for node in self._nodes if (row := self._rows.get(node.task))]
        start = min((row.created_at for row in rows), default=now)
        end = max((row.finished_at or now for row in rows), default=now) if all(map(ended, rows)) else now
        table = Table.grid(Column(), *(Column(no_wrap=True) for _ in range(3)), padding=(0, 2))
        for node in self._nodes:
            table.add_row(*self._line(node, start, end))
        return table

    def _line(self, node: Node, start: datetime, now: datetime) -> tuple[Text, Text, Text, Text]:
        name = Text(f"  {node.prefix}", "bright_black", no_wrap=True, overflow="ellipsis").append(
            node.task.partition(".")[2], "default"
        )
        if node.others:
            others = f"{len(node.others)} others" if len(node.others) > 1 else node.others[0].partition(".")[2]
            name.append(f" ← {others}", "bright_black")
        if (row := self._rows.get(node.task)) is None:
            return name, Text("· not yet", "bright_black"), Text(), Text()
        return (
            name,
            state(row.state, late=row.late).append(_again(row)),
            bar(row, start, now),
            Text(took(row, now), "dim"),
        )


def _roles(roles: Sequence[Child]) -> Text:
    line = Text(" ")
    for child in roles:
        icon, style = ROLE_LOOKS[child.state]
        line.append(f" {icon} {child.role.name} ", style)
    return line


def _word(row: ExecutionRow) -> str:
    """An execution's state as a word; a retry may come and go between two looks, and its number stays."""
    return f"{row.state}{_again(row)}"


def _again(row: ExecutionRow) -> str:
    return f", try {row.attempt}" if row.attempt > 1 else ""


def answer_table(answer: QueryAnswer) -> Table:
    """Rows of a query, for people; numbers to the right."""
    kinds = zip(answer.columns, answer.types, strict=True)
    drawn = table(answer.columns, [name for name, kind in kinds if any(n in kind for n in NUMBERS)])
    for row in answer.rows:
        drawn.add_row(*(safe(None if value is None else _plain(value)) for value in row))
    return drawn


def _plain(value: JsonValue) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
