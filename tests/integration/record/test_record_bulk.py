"""What one action on many may mean, on the real engine."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.requests import BULK_LIMIT, BulkRequest, ExecutionFilter
from sinks.record.history import History
from streams.edge.live import Live
from streams.edge.problems import ProblemError
from streams.edge.reads import Reads
from streams.edge.routes.bulk import cancel_many


@pytest.mark.parametrize("expected", [5, BULK_LIMIT + 1, 2 * BULK_LIMIT])
async def test_a_filter_that_means_too_many_is_to_be_narrowed(store: Any, play: Any, expected: int) -> None:
    """However many were confirmed: the reason is the limit, and no look will change it."""
    store.take([play.created(f"p.t{n}") for n in range(BULK_LIMIT + 1)])
    history = History(store.settings)
    here: Any = SimpleNamespace(reads=Reads(history, Live(store.settings)))
    with pytest.raises(ProblemError, match="nothing was changed: narrow the filter") as refused:
        await cancel_many(BulkRequest(filter=ExecutionFilter(), expected=expected), here)
    assert refused.value.problem.status == 409
    await history.close()
