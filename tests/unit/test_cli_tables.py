"""What tables leave out, fold and cut where there is little room."""

import io

import pytest
from rich.console import Console

from ui.cli import tables
from ui.cli.looks import cell, name

NAME = "sales.aggregate-by-month"


def drawn(monkeypatch: pytest.MonkeyPatch, width: int, task: str = NAME) -> tuple[list[str], list[str]]:
    """The lines of a table of one row on a terminal of this width, and what it leaves out."""
    screen = Console(width=width, record=True, file=io.StringIO())
    monkeypatch.setattr(tables, "console", screen)
    row = {"task": name(task), "prio": "P5", "pool": name("default"), "description": cell("many words " * 9)}
    made, out = tables.fitted([row], names="task", cut=["description"], spare=["description", "pool"])
    screen.print(made)
    return screen.export_text().splitlines(), out


@pytest.mark.parametrize(
    ("width", "out"),
    [(200, []), (50, []), (49, ["description"]), (30, ["pool", "description"])],
)
def test_the_least_useful_make_room_for_names(monkeypatch: pytest.MonkeyPatch, width: int, out: list[str]) -> None:
    """A name stays whole on its line: a long text is cut, then columns leave, the least useful first."""
    (_, row), left_out = drawn(monkeypatch, width)
    assert (row.split()[0], left_out) == (NAME, out)
    assert len(row) <= width


def test_a_name_that_has_no_room_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is there, on as many lines as it takes, beside what else is never cut."""
    (_, *lines), _ = drawn(monkeypatch, 30, NAME * 3)
    first, priority = lines[0].split()
    assert (first + "".join(line.strip() for line in lines[1:]), priority) == (NAME * 3, "P5")
