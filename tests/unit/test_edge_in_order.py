"""The order in which many are retried."""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest

from pipelines.ids import execution_id, from_text, home_of_task, to_text
from pipelines.views import ExecutionRow
from sinks.record.history import History
from streams.edge import shapes
from streams.edge.in_order import in_turns
from streams.edge.live import Live
from streams.edge.reads import Reads
from streams.engine.events import Moved
from streams.engine.records import Execution, State
from streams.settings import Settings


def named(task: str, again: int = 0, run: str = "r") -> str:
    """An execution's id."""
    return to_text(execution_id(task, run, again))


def moved(task: str, *upstream: str, again: int = 0, run: str = "r") -> Moved:
    """The end of an execution that waited for others."""
    waited = tuple((from_text(one), "", "failed") for one in upstream)
    which = execution_id(task, run, again)
    return Moved("failed", 1, Execution(which, task, run, "external", State.FAILED, again=again, upstream=waited))


def rows_of(steps: Iterable[Moved]) -> dict[str, ExecutionRow]:
    """As lists show them, by id."""
    return {row.execution: row for row in map(shapes.row, steps)}


def ordered(*steps: Moved) -> list[str]:
    """The tasks, in the order in which they are retried."""
    waits = {to_text(one.execution.id): [to_text(u) for u, *_ in one.execution.upstream] for one in steps}
    rows = rows_of(steps)
    [all_at_once] = in_turns(rows, waits, 1)
    return [rows[one].task for one in all_at_once]


@pytest.mark.parametrize("again", [0, 2])
def test_each_comes_after_what_it_waits_for(again: int) -> None:
    """However they were found, and by whichever of its retries an upstream is named."""
    a, b = moved("a", again=again), moved("b", named("a"), again=again)
    c = moved("c", named("b", again), again=again)
    for given in ([a, b, c], [c, b, a], [b, c, a]):
        assert ordered(*given) == ["a", "b", "c"]


def test_the_same_task_of_another_run_comes_first() -> None:
    """Who waits for its own yesterday does not wait for itself."""
    rows = rows_of([moved("t", run="2"), moved("t", run="1")])
    today, yesterday = rows
    assert in_turns(rows, {today: [yesterday]}, 1) == [[yesterday, today]]


def test_those_who_wait_for_each_other_disturb_nobody() -> None:
    """One of a ring goes first, all others have their order; who waits for nothing known keeps its place."""
    x, y = moved("x", named("y")), moved("y", named("x"))
    assert ordered(moved("b", named("a")), moved("a"), x, y, moved("z", named("?"))) == ["a", "b", "y", "x", "z"]


def test_a_chain_may_be_long() -> None:
    """As long as many can be retried at once."""
    chain = [moved(str(n), *([named(str(n - 1))] if n else [])) for n in range(10_000)]
    assert ordered(*reversed(chain)) == [str(n) for n in range(10_000)]


def test_what_waits_for_another_partition_has_a_turn_of_its_own() -> None:
    """It could come there before what it waits for comes to the other one; what shares a partition goes together."""
    names = [f"{pipeline}.{n}" for pipeline in "abcdefgh" for n in range(3)]
    steps = [
        moved(name, *([named(before)] if before else [])) for before, name in zip([None, *names], names, strict=False)
    ]
    rows = rows_of(steps)
    waits = {to_text(one.execution.id): [to_text(u) for u, *_ in one.execution.upstream] for one in steps}
    homes = [home_of_task(name, 4) for name in names]
    turns = in_turns(rows, waits, 4)
    assert [rows[one].task for turn in turns for one in turn] == names
    assert len(turns) == 1 + sum(one != other for one, other in pairwise(homes)) > 2
    assert in_turns({}, {}, 4) == []


async def test_what_history_does_not_know_yet_has_its_order() -> None:
    """What the live tail has heard of needs no ClickHouse: here is none."""
    settings = Settings(clickhouse="http://127.0.0.1:9")
    live = Live(settings)
    steps = [moved("b", named("a")), moved("a")]
    for step in steps:
        live.recent.add(msgspec.msgpack.encode([step]))
    found = await Reads(History(settings), live).after_upstream(rows_of(steps), 1)
    assert found == [[named("a"), named("b")]]
