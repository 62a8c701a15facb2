"""`headrace sql QUERY`."""

from itertools import compress
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import JsonValue
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipelines.views import QueryAnswer
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.documents import read_file
from ui.cli.exits import UsageError, mapped
from ui.cli.looks import WIDE, console, notes, safe, table
from ui.parts import formats


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
        query: The statement; @FILE reads it from a file.
        param: `name=value` for a place {name:Type} in the statement; may be given many times.
        writes: It may change data.
        common: Of every command.
    """
    with mapped():
        statement = read_file(query[1:]) if query.startswith("@") else query
        if not statement.strip():
            raise UsageError("the statement is empty; write one, such as 'SELECT * FROM executions LIMIT 5'")
        parameters = dict(_parameter(p) for p in param)
    with connected() as client:
        answer = client.sql(statement, parameters, writes=writes)
    if common.json:
        return print_json(answer)
    wide = _wide(answer)
    fits = Measurement.get(console, console.options.update(max_width=WIDE), wide).maximum <= console.width
    console.print(wide if fits or not answer.rows else _tall(answer))
    cut = ", cut at the limit" if answer.cut else ""
    return notes.print(f"{formats.number_of(len(answer.rows), 'row')} in {formats.duration(answer.elapsed_ms)}{cut}")


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
            drawn.add_row(safe(name), _cell(value))
    return drawn


def _cell(value: JsonValue) -> Any:
    return safe(value if isinstance(value, str) else None if value is None else str(value))
