"""The question before what changes much."""

import sys
from typing import Annotated

from cyclopts import Parameter

from ui.cli.exits import Exit, UsageError, stop
from ui.cli.looks import notes, safe

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative=(), show_default=False)]


def confirm(question: str) -> None:
    """Go on with a yes alone. Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Say --yes where nobody can be asked")
    if notes.input(safe(f"{question} [y/N] ")).strip().lower() not in ("y", "yes"):
        stop("nothing was changed", Exit.FAILED)
