"""Names in a line for people, of which there may be too many."""

from collections.abc import Sequence

SHOWN = 10


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are: `a, b and 3 more`; empty where there is none."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
