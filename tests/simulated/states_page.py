"""docs/states.md, as tests read it."""

import re
from pathlib import Path

from simulated.history import Transition

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text()


def documented() -> set[Transition]:
    """The steps in the page's table: | from | step | to | when |."""
    rows = re.findall(r"^\| (\S+) \| `(\w+)` \| (\S+) \| .+ \|$", PAGE, re.MULTILINE)
    return {("" if start == "(new)" else start, step, end) for start, step, end in rows}
