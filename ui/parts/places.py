"""The pages, and the addresses that lead to exactly what was counted."""

from collections.abc import Mapping, Sequence

OVERVIEW = "app_pages/overview.py"
EXECUTIONS = "app_pages/executions.py"
EXECUTION = "app_pages/execution.py"

Query = Mapping[str, str | Sequence[str]]


def listing(since: str = "all", **filters: str | Sequence[str]) -> dict[str, str | Sequence[str]]:
    """The address's parameters of the list with these filters, over a range (`all`: no limit)."""
    return {"range": since, **filters}
