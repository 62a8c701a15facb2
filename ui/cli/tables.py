"""Tables that fit the terminal: a name is never cut, the least useful columns make room for it."""

from collections.abc import Collection, Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from ui.cli.looks import console, table

Row = Mapping[str, str | Text]

GAP = 1
"""Columns of the terminal between two of a table."""
LEAST = 12
"""Columns of the terminal that a text wants which may be cut."""


def fitted(
    rows: Sequence[Row], *, spare: Sequence[str], cut: Collection[str] = (), names: str, right: Collection[str] = ()
) -> tuple[Table, list[str]]:
    """A table of at least one row, and the columns that it leaves out for want of room: of `spare`, the first first.

    Texts of `cut` end where there is no more room. The column `names` is folded where leaving out is not enough.
    """
    widths = {name: _width([row[name] for row in rows], name, cut=name in cut) for name in rows[0]}
    out: list[str] = []
    while not (fits := _room(widths, out) <= console.width) and len(out) < len(spare):
        out = [*out, spare[len(out)]]
    shown = [name for name in widths if name not in out]
    whole = [name for name in shown if name not in cut and (fits or name != names)]
    drawn = table(shown, right=right, whole=whole)
    for row in rows:
        drawn.add_row(*(row[name] for name in shown))
    return drawn, [name for name in widths if name in out]


def _room(widths: Mapping[str, int], out: Collection[str]) -> int:
    shown = [width for name, width in widths.items() if name not in out]
    return sum(shown) + GAP * (len(shown) - 1)


def _width(cells: Sequence[str | Text], name: str, *, cut: bool) -> int:
    widest = max(cell_len(str(one)) for one in (name, *cells))
    return min(widest, max(LEAST, cell_len(name))) if cut else widest
