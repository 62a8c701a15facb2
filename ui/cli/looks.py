"""How things look on a terminal: state as icon, word and colour; texts of others without control characters."""

import os
import sys
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.views import StateName
from ui.parts import formats

LOOKS: dict[StateName, tuple[str, str]] = {
    "scheduled": ("◷", "bright_black"),
    "blocked": ("⛓", "magenta"),
    "waiting": ("▪", "yellow"),
    "dispatched": ("▷", "cyan"),
    "running": ("▶", "blue"),
    "retrying": ("↻", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✕", "red"),
    "upstream_failed": ("⊗", "red"),
    "lost": ("?", "bright_magenta"),
    "cancelled": ("⊘", "bright_black"),
    "skipped": ("⤼", "bright_black"),
}

WIDE = 10_000
"""Columns where nobody watches: nothing is folded or cut in a file or a pipe."""

console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)
notes = Console(stderr=True, highlight=False)
"""Progress and remarks: never on standard output."""


def safe(text: str | None) -> Text:
    """A text of somebody else: nothing in it is markup, and it cannot play with the terminal."""
    return Text(
        "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "�" for c in text or formats.MISSING)
    )


def name(text: str | None) -> Text:
    """A name in a table, whole: whoever goes on with it must have all of it."""
    return safe(" ".join((text or "").split()) or None)


def cell(text: str | None) -> Text:
    """The same on one line of a table, which cuts it with an ellipsis where there is no room."""
    line = name(text)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def state(name: StateName, *, late: bool = False) -> Text:
    """A state, with a mark where it is late."""
    icon, style = LOOKS[name]
    label = Text(f"{icon} {name.replace('_', ' ')}", style)
    return label.append(" ! late", "red") if late else label


def moment(at: datetime | None) -> str:
    """A time in this machine's zone."""
    return formats.moment(at, datetime.now(UTC), datetime.now().astimezone().tzinfo or UTC)


def exactly(at: datetime | None) -> str:
    """The same with date and second, whatever day it is."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else formats.MISSING


def table(columns: Iterable[str], right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """An empty table; the columns in `right` hold numbers, what is in those of `whole` is never folded."""
    made = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in columns:
        side: Literal["right", "left"] = "right" if name in right else "left"
        made.add_column(name, justify=side, overflow="fold", no_wrap=name in whole)
    return made
