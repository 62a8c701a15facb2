"""What the history lists, once it has it: it may be a moment behind what was answered."""

import time

from pipelines.requests import ExecutionFilter
from ui.client import Client


def until(client: Client, which: ExecutionFilter, count: int) -> list[str]:
    """The ids that match, once history has so many."""
    deadline = time.monotonic() + 30
    while (page := client.executions(which)).total != count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert page.total == count
    return [row.execution for row in page.items]
