"""What the edge says of an id whose task and run were submitted again after the scheduler had forgotten them."""

import time
from typing import Any

import msgspec
import pytest

from pipelines.ids import execution_id, to_text
from pipelines.views import Accepted
from sinks.record.history import History
from streams.client import KafkaClient
from streams.edge import shapes
from streams.edge.board import moment
from streams.edge.live import Live
from streams.edge.orders import Orders
from streams.edge.reads import Reads
from streams.engine.events import Moved
from streams.engine.records import Execution
from streams.settings import Settings

ONE = execution_id("t", "r")
NOW = round(time.time() * 1000)
HOUR = 3_600_000
SETTINGS = Settings(clickhouse="http://127.0.0.1:9", keep_finished=3600, remember_done=3600)


def moved(at: int, state: str, version: int = 1, **fields: Any) -> Moved:
    """A step at a time, of a life that began then unless `fields` say otherwise."""
    return Moved(state, at, Execution(ONE, "t", "r", "external", state, version, **{"created_at": at, **fields}))


def of(*heard: Moved) -> tuple[Reads, Orders]:
    """What reads and orders, where the live tail has heard of some steps and no ClickHouse is there."""
    live = Live(SETTINGS)
    for one in heard:
        live.recent.add(msgspec.msgpack.encode([one]))
    reads = Reads(History(SETTINGS), live)
    return reads, Orders(SETTINGS, KafkaClient(SETTINGS), live, reads)


def test_what_history_knows_of_an_earlier_life_is_not_mixed_in() -> None:
    """It has not been told of the newest one yet; of the same life it tells what the tail has not heard."""
    done = Moved("succeeded", NOW - 3 * HOUR, moved(NOW - 3 * HOUR, "succeeded", 3).execution, result=b"1")
    past, (reads, _) = shapes.execution([done]), of(moved(NOW, "running"))
    view = reads._fresh(ONE, past)
    assert view is not None
    assert (view.state, view.result) == ("running", None)
    view = reads._fresh(ONE, past.model_copy(update={"created_at": moment(NOW), "updated_at": moment(NOW - 1)}))
    assert view is not None
    assert (view.state, view.result) == ("running", 1)


@pytest.mark.parametrize(("ago", "state", "known"), [(3, "failed", False), (1, "failed", True), (3, "running", True)])
async def test_what_the_scheduler_has_forgotten_is_no_answer(*, ago: int, state: str, known: bool) -> None:
    """A scheduler that is slow to execute it anew is waited for; one that remembers it has nothing to say."""
    _, orders = of(moved(NOW - ago * HOUR, state))
    found = await orders._known(Accepted(execution=to_text(ONE), created_at=moment(NOW)), 5)
    assert (found is not None) is known
