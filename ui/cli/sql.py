"""`headrace sql QUERY`."""

from itertools import compress
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipelines.views import QueryAnswer
from ui.cli.app import QUESTION
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.documents import read_file
from ui.cli.exits import UsageError, mapped
from ui.cli.looks import WIDE, console, notes, safe, table
from ui.parts import formats

LINES = 2
"""Of a long value, about so many lines of the terminal."""


def sql(
    query: str,
    /,
    *,
    param: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    writes: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    common: Common = PLAIN,
) -> None:
    """The command `sql`.

    Args:
        query: The statement; @FILE reads it from a file. The answer has its first 10,000 rows at most.
        param: `name=value` for a place {name:Type} in the statement; may be given many times.
        writes: It may change data.
        common: Of every command.
    """
    with mapped():
        statement = read_file(query[1:]) if query.startswith("@") else query
        if not statement.strip():
            raise UsageError(f"the statement is empty; write one, such as {QUESTION!r}")
        parameters = dict(_parameter(p) for p in param)
    with connected() as client:
        answer = client.sql(statement, parameters, writes=writes)
    if common.json:
        if answer.cut:
            notes.print(f"only the first {len(answer.rows):,} rows: an answer has no more")
        return print_json(answer)
    wide = _wide(answer)
    fits = Measurement.get(console, console.options.update(max_width=WIDE), wide).maximum <= console.width
    console.print(wide if fits or not answer.rows else _tall(answer))
    cut = ", cut at the limit" if answer.cut else ""
    more = "; what ends with … is cut, all of it: -o json" if not fits and _any_long(answer) else ""
    rows = formats.number_of(len(answer.rows), "row")
    return notes.print(f"{rows} in {formats.duration(answer.elapsed_ms)}{cut}{more}", soft_wrap=True)


def _parameter(text: str) -> tuple[str, JsonValue]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{text[:40]!r} is no parameter; write name=value")
    return name, value


def _wide(answer: QueryAnswer) -> Table:
    """A line a row."""
    drawn = table(answer.columns)
    for row in answer.rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def _tall(answer: QueryAnswer) -> Table:
    """A line a value, for rows that are wider than the terminal; columns that are empty in all of them are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(no_wrap=True, style="bold")
    drawn.add_column(overflow="fold")
    filled = [any(row[place] not in ("", None) for row in answer.rows) for place in range(len(answer.columns))]
    for number, row in enumerate(answer.rows, 1):
        drawn.add_row(Text(f"row {number}", "dim"))
        for name, value in compress(zip(answer.columns, row, strict=True), filled):
            drawn.add_row(safe(name), _begin(value))
    return drawn


def _begin(value: JsonValue) -> Text:
    """A value, cut where it is long and a person looks on."""
    cell = _cell(value)
    return cell[: LINES * console.width].append("…") if _is_long(value) else cell


def _any_long(answer: QueryAnswer) -> bool:
    return any(_is_long(value) for row in answer.rows for value in row)


def _is_long(value: JsonValue) -> bool:
    return console.width < WIDE and len(_cell(value)) > LINES * console.width


def _cell(value: JsonValue) -> Text:
    return safe(value if isinstance(value, str) else None if value is None else str(value))
