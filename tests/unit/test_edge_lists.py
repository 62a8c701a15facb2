"""Rows of lists, where the live tail has heard of later steps than the history."""

import time

import msgspec

from pipelines.ids import execution_id
from pipelines.requests import ExecutionQuery
from pipelines.views import ExecutionPage
from sinks.record.history import History
from streams.edge import shapes
from streams.edge.live import Live
from streams.edge.reads import Reads
from streams.engine.events import Moved
from streams.engine.records import Execution
from streams.settings import Settings

NOW = round(time.time() * 1000)
SETTINGS = Settings()


class Behind(History):
    """A history that has written these steps, and no later ones."""

    def __init__(self, *steps: Moved) -> None:
        super().__init__(SETTINGS)
        self.steps = steps

    async def executions(self, query: ExecutionQuery) -> ExecutionPage:  # noqa: ARG002  (the signature is given)
        """All of them, whatever is asked."""
        return ExecutionPage(items=tuple(map(shapes.row, self.steps)), total=len(self.steps), next="x")


def moved(run: str, state: str, at: int, version: int = 1, born: int = 0) -> Moved:
    """A step of an execution, at milliseconds since it all began."""
    record = Execution(execution_id("t", run), "t", run, "shell", state, version, created_at=NOW + born)
    return Moved(state, NOW + at, record)


async def listed(history: list[Moved], heard: list[Moved]) -> list[tuple[str, str]]:
    """Runs and states of a page."""
    live = Live(SETTINGS)
    live.recent.add(msgspec.msgpack.encode(heard))
    page = await Reads(Behind(*history), live).executions(ExecutionQuery(state=("dispatched",)))
    assert (page.total, page.next) == (len(history), "x")
    return [(row.run, row.state) for row in page.items]


async def test_a_row_is_not_older_than_what_was_answered() -> None:
    """Though the filter was for what it was a moment ago; what the tail has not heard of stands as history has it."""
    history = [moved("a", "dispatched", 1), moved("b", "dispatched", 1)]
    assert await listed(history, [moved("a", "running", 2, 2), moved("a", "succeeded", 3, 3)]) == [
        ("a", "succeeded"),
        ("b", "dispatched"),
    ]


async def test_a_tail_that_is_behind_makes_no_row_older() -> None:
    """Nor does it touch the row of an earlier life of the same id."""
    history = [moved("a", "running", 5, 3), moved("b", "lost", 1, 2)]
    heard = [moved("a", "dispatched", 4, 2), moved("b", "waiting", 9, 1, born=9)]
    assert await listed(history, heard) == [("a", "running"), ("b", "lost")]
    assert await listed([moved("b", "running", 1, 2)], heard) == [("b", "running")]
