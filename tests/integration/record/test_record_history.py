"""The questions of the dashboard, on the real engine."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from pipelines.ids import execution_id, to_text
from pipelines.requests import BULK_LIMIT, ExecutionFilter, ExecutionQuery
from sinks.record.client import Names
from sinks.record.filters import BadCursorError
from sinks.record.history import History
from sinks.record.rollup import RollUp
from streams.edge.live import Live
from streams.edge.reads import Reads
from streams.engine.events import LogLine, PipelineCreated, TaskCreated, TaskDeleted
from streams.engine.records import TaskDef
from ui.parts import charts, header


@pytest.fixture
async def history(store: Any) -> AsyncIterator[History]:
    """The read side."""
    history = History(store.settings)
    yield history
    await history.close()


async def test_one_execution_with_all_that_is_known(store: Any, history: History, play: Any) -> None:
    """Attempts, upstream, downstream, call, payload and result come together."""
    up, down = execution_id("p.a", "r1"), execution_id("p.b", "r1")
    store.take(play.whole("p.a"))
    store.take([play.created("p.b", state="blocked", upstream=((up, "p.a", ""),))])
    above, below = await history.execution(up), await history.execution(down)
    assert above is not None
    assert below is not None
    assert (above.state, above.waited_ms, above.ran_ms, above.result) == ("succeeded", 20, 100, {"ok": True})
    assert (above.call, above.payload, above.worker) == ({"function": "f"}, {"n": 1}, "w-12345678")
    assert [(a.attempt, a.state, a.ran_ms) for a in above.attempts] == [(1, "succeeded", 100)]
    assert [(d.execution, d.task, d.state) for d in above.downstream] == [(to_text(down), "p.b", None)]
    assert [(u.execution, u.task, u.state) for u in below.upstream] == [(to_text(up), "p.a", "succeeded")]


async def test_what_is_lost_has_no_duration(store: Any, history: History, play: Any) -> None:
    """When it ended nobody knows: the view says so, and that it may not run twice; what is not lost may."""
    store.take(play.whole("p.a", ends="lost", at_most_once=True))
    store.take(play.whole("p.b"))
    lost, other = await history.execution(execution_id("p.a", "r1")), await history.execution(execution_id("p.b", "r1"))
    assert lost is not None
    assert other is not None
    assert (lost.state, lost.ran_ms, [one.ran_ms for one in lost.attempts]) == ("lost", None, [None])
    assert (lost.delivery, other.delivery) == ("at_most_once", "at_least_once")
    assert store.ask("SELECT ran_ms FROM {main}.executions ORDER BY task") == [(None,), (100,)]


async def test_after_a_loss_no_duration_is_shown_while_it_is_tried_again(
    store: Any, history: History, play: Any
) -> None:
    """Nor of its attempt; one that runs says how long so far."""
    first, given, _ = play.whole("p.a")
    fields = {"started_at": given.at + 1, "retry_at": given.at + 9_001}
    gone = play.step(given, "retrying", 9_000, state="retrying", finished_at=given.at + 9_000, **fields)
    store.take([first, given, replace(gone, lost=True)])
    view = await history.execution(execution_id("p.a", "r1"))
    assert view is not None
    assert (view.state, view.ran_ms) == ("retrying", None)
    assert [(one.state, one.ran_ms) for one in view.attempts] == [("lost", None)]
    store.take([play.step(gone, "started", 20, state="running", attempt=2, finished_at=0, retry_at=0)])
    view = await history.execution(execution_id("p.a", "r1"))
    assert view is not None
    assert view.ran_ms
    assert view.attempts[-1].ran_ms == view.ran_ms


async def test_an_id_that_came_to_life_twice_shows_its_newest_life(store: Any, history: History, play: Any) -> None:
    """The same task and run, submitted again after the scheduler has forgotten the first: people see the second."""
    which = execution_id("p.a", "r1")
    store.take(play.whole("p.a", created_at=play.now - 7_200_000, ends="failed"))
    store.take(play.whole("p.a"))
    view = await history.execution(which)
    assert view is not None
    assert view.state == "succeeded"
    assert [row.state for row in await history.rows([which])][-1] == "succeeded"
    assert [event.state for event in await history.events(which)] == ["waiting", "dispatched", "succeeded"]
    assert await history.events(which, datetime.now(UTC) + timedelta(minutes=1)) == []


async def test_as_many_as_a_bulk_action_names_are_found(store: Any, history: History, play: Any) -> None:
    """A server takes no parameter that names them all at once."""
    up, first, last = execution_id("p.up", "r1"), execution_id("p.a", "r1"), execution_id("p.b", "r1")
    waits = {"state": "blocked", "upstream": ((up, "p.up", ""),)}
    store.take([play.created("p.a", **waits), play.created("p.b", **waits)])
    ids = [first, *(execution_id(f"q.{n}", "r1") for n in range(BULK_LIMIT - 2)), last]
    assert {row.execution for row in await history.rows(ids)} == {to_text(first), to_text(last)}
    assert await history.upstream(ids) == {to_text(one): [to_text(up)] for one in (first, last)}
    store.take([TaskCreated(TaskDef("p.a", "shell"), 1000)])
    assert await history.keeps([*(f"p.{n:0198}" for n in range(999)), "p.a"])


async def test_an_unknown_execution_is_none(history: History) -> None:
    """What never was has no view."""
    assert await history.execution(execution_id("p.x", "r1")) is None


async def test_a_retry_by_hand_names_both(store: Any, history: History, play: Any) -> None:
    """The old execution names the new one, and the other way round."""
    old, new = execution_id("p.a", "r1"), execution_id("p.a", "r1", 1)
    store.take(play.whole("p.a", ends="failed"))
    again = play.created("p.a", again=1, retry_of=old, created_at=play.now + 1_000)
    store.take([replace(again, execution=replace(again.execution, id=new))])
    before, after = await history.execution(old), await history.execution(new)
    assert before is not None
    assert after is not None
    assert (before.retried_as, after.retry_of) == (to_text(new), to_text(old))


async def test_a_retry_of_an_earlier_life_is_none_of_this_one(store: Any, history: History, play: Any) -> None:
    """The id lives again, and what was made of it then was not made of it now."""
    old, new, past = execution_id("p.a", "r1"), execution_id("p.a", "r1", 1), play.now - 7_200_000
    again = play.created("p.a", again=1, retry_of=old, created_at=past + 1_000)
    store.take([*play.whole("p.a", ends="failed", created_at=past), *play.whole("p.a", ends="failed")])
    store.take([replace(again, execution=replace(again.execution, id=new))])
    view = await history.execution(old)
    assert view is not None
    assert view.retried_as is None


async def test_how_long_it_waits_goes_on(store: Any, history: History, play: Any) -> None:
    """While an execution waits, its wait is the time until now."""
    store.take([play.created("p.a", ready_at=play.now - 60_000)])
    view = await history.execution(execution_id("p.a", "r1"))
    assert view is not None
    assert view.waited_ms is not None
    assert view.waited_ms >= 60_000


@pytest.mark.parametrize("order", ["newest", "oldest", "changed", "priority", "waited"])
async def test_pages_hold_every_execution_once(store: Any, history: History, play: Any, order: Any) -> None:
    """Page by page one meets all that match, none twice, in the order that was asked for, by name within it."""
    for n in range(23):
        store.take(play.whole(f"p.t{n}", priority=n % 4, created_at=play.now - n // 3, ready_at=play.now - n))
    rows, cursor = [], None
    while True:
        page = await history.executions(ExecutionQuery(order=order, limit=5, cursor=cursor))
        assert page.total == 23
        rows += page.items
        if (cursor := page.next) is None:
            break
    assert len({row.execution for row in rows}) == len(rows) == 23
    key = {
        "newest": lambda r: (-r.created_at.timestamp(), r.task),
        "oldest": lambda r: (r.created_at.timestamp(), r.task),
        "changed": lambda r: (-r.updated_at.timestamp(), r.task),
        "priority": lambda r: (-r.priority, r.created_at, r.task),
        "waited": lambda r: (-r.waited_ms, r.task),
    }[order]
    assert [key(r) for r in rows] == sorted(key(r) for r in rows)


async def test_filters_pick_what_they_name(store: Any, history: History, play: Any) -> None:
    """Each filter alone finds the one execution that differs, and the count agrees."""
    store.take([m for n in range(4) for m in play.whole(f"other.t{n}")])
    odd = {"priority": 9, "pool": "gpu", "queue": "night", "owner": "ann", "kind": "python", "late": True}
    store.take(play.whole("p.odd", run="Nightly", ends="failed", **odd))
    single = to_text(execution_id("p.odd", "Nightly"))
    for wanted in (
        *({name: value if name in ("owner", "late") else (value,)} for name, value in odd.items()),
        {"state": ("failed", "lost")},
        {"task": "p.odd"},
        {"pipeline": "p"},
        {"run": "Nightly"},
        {"text": "P.ODD"},
        {"text": "nightly"},
        {"text": single[-8:]},
    ):
        found = await history.executions(ExecutionQuery(**wanted))
        assert [row.execution for row in found.items] == [single], wanted
        assert found.total == await history.count(ExecutionFilter(**wanted)) == 1
    moment = datetime.fromtimestamp(play.now / 1000, UTC)
    assert await history.count(ExecutionFilter(since=moment + timedelta(hours=1))) == 0
    assert await history.count(ExecutionFilter(until=moment + timedelta(hours=1))) == 5
    assert await history.count(ExecutionFilter(worker="nobody")) == 0


async def test_a_list_that_fits_its_page_says_how_long_it_is(store: Any, history: History, play: Any) -> None:
    """Also while one more comes: the figure is not of another moment than the rows."""
    for n in range(30):
        coming = asyncio.to_thread(store.take, [play.created(f"p.t{n}")])
        page, _ = await asyncio.gather(history.executions(ExecutionQuery(limit=50)), coming)
        assert page.total == len(page.items)
        assert n <= page.total <= n + 1
    assert (await history.executions(ExecutionQuery(limit=50))).total == 30
    assert (await history.executions(ExecutionQuery(limit=29))).total == 30


async def test_a_wrong_cursor_says_so(history: History) -> None:
    """A cursor that is none, or of another order, is refused with words."""
    with pytest.raises(BadCursorError, match="is no cursor"):
        await history.executions(ExecutionQuery(cursor="abc"))


async def test_logs_go_on_behind_a_cursor(store: Any, history: History, play: Any) -> None:
    """Lines come in the order of attempts and numbers, each once."""
    one = execution_id("p.a", "r1")
    lines = [
        LogLine(one, a, n, play.now + n, "stderr", "INFO" if n else "", f'"{a}"\t{n}', "w")
        for a in (1, 2)
        for n in range(12)
    ]
    store.take(lines[::-1], logs=True)
    got, after = [], ""
    while more := await history.logs(one, after, 5):
        got += more
        after = more[-1].cursor
    assert [line.text for line in got] == [line.text for line in lines]
    assert (got[0].level, got[1].level) == (None, "INFO")
    with pytest.raises(ValueError, match="no cursor of a log"):
        await history.logs(one, "x")


async def test_output_is_of_the_newest_life(store: Any, history: History, play: Any) -> None:
    """Also where its worker's clock is behind, before it has written anything, and page by page."""
    one, before = execution_id("p.a", "r1"), play.now - 7_200_000
    reads = Reads(history, Live(store.settings))
    old = [LogLine(one, 1, n, before + 50 + n, "stdout", "", "old", "w") for n in range(8)]
    store.take(play.whole("p.a", created_at=before))
    store.take(old, logs=True)
    assert [line.text for line in await reads.logs(one, "", 9)] == ["old"] * 8
    store.take([play.created("p.a")])
    assert await reads.logs(one, "", 9) == []
    store.take([LogLine(one, 1, n, play.now - 60_000, "stdout", "", "new", "w") for n in range(3)], logs=True)
    first = await reads.logs(one, "", 2)
    assert [line.text for line in [*first, *await reads.logs(one, first[-1].cursor, 9)]] == ["new"] * 3


async def test_a_clock_that_is_behind_hides_no_output(store: Any, history: History, play: Any) -> None:
    """Where there was no earlier life, all is of this one."""
    one = execution_id("p.a", "r1")
    store.take([play.created("p.a")])
    store.take([LogLine(one, 1, 0, play.now - 7_200_000, "stdout", "", "late", "w")], logs=True)
    assert [line.text for line in await Reads(history, Live(store.settings)).logs(one, "", 9)] == ["late"]


async def test_events_tell_the_story(store: Any, history: History, play: Any) -> None:
    """Transitions come in order, with their states."""
    store.take(play.whole("p.a", ends="failed")[::-1])
    story = await history.events(execution_id("p.a", "r1"))
    assert [(e.what, e.state) for e in story] == [
        ("created", "waiting"),
        ("assigned", "dispatched"),
        ("failed", "failed"),
    ]
    assert story[-1].error == "it broke"


async def test_counts_agree_with_their_lists(store: Any, history: History, play: Any) -> None:
    """Every figure of the overview is the length of the list that its filter gives."""
    store.take([m for n in range(3) for m in play.whole(f"p.f{n}", ends="failed")])
    store.take([play.created(f"p.w{n}", late=n == 0, max_latency=1000) for n in range(4)])
    store.take([play.created("p.far", max_latency=3_600_000), play.created("p.any")])
    since = datetime.fromtimestamp(play.now / 1000 - 60, UTC)
    counts = await history.counts(since)
    assert (counts.now, counts.ended, counts.failed) == ({"waiting": 6}, {"failed": 3}, 3)
    assert (counts.late_now, counts.late_next_5_min) == (1, 3)
    assert counts.failed == await history.count(ExecutionFilter(state=("failed",), since=since))
    assert counts.late_now == await history.count(ExecutionFilter(state=("waiting",), late=True))


async def test_minutes_add_up_in_longer_steps(store: Any, history: History, play: Any) -> None:
    """Ten single minutes and one step of an hour tell the same counts, and real quantiles."""
    base = play.now // 3_600_000 * 3_600_000
    for n in range(10):
        store.take(play.whole(f"p.t{n}", created_at=base + n * 60_000, ready_at=base + n * 60_000))
    RollUp(store.client, Names.under(store.settings.namespace)).count()
    since, until = (datetime.fromtimestamp(base / 1000 + s, UTC) for s in (0, 3600))
    single = await history.minutes(since, until)
    hour = await history.minutes(since, until, timedelta(hours=1))
    assert [m.created for m in single] == [1] * 10
    assert [(m.created, m.succeeded, m.waited_p50_ms, m.ran_p99_ms) for m in hour] == [(10, 10, 30.0, 100.0)]


@pytest.mark.parametrize(("span", "each"), [("6h", 1), ("24h", 3), ("7d", 24)])
async def test_bars_of_a_steady_load_are_equal(store: Any, history: History, play: Any, span: str, each: int) -> None:
    """The edge's steps are the dashboard's bars: one execution in 5 minutes draws the same number in each of them."""
    last = round(datetime.now(UTC).timestamp()) // 300 + 2
    starts = range(last - header.RANGES["7d"] // timedelta(minutes=5) - 2, last)
    store.take([m for n in starts for m in play.whole(f"p.t{n}", created_at=n * 300_000)])
    RollUp(store.client, Names.under(store.settings.namespace)).count()
    view = await Reads(history, Live(store.settings)).overview(header.start(span, datetime.now(UTC)))
    width = timedelta(milliseconds=view.step_ms)
    bars = charts.buckets(view.minutes, header.start(span, view.at), view.at, width)
    assert {bar.succeeded for bar in bars[1:-1]} == {each}


async def test_tasks_pipelines_and_runs(store: Any, history: History, play: Any) -> None:
    """Definitions as they are now, and what became of the runs."""
    definition = TaskDef("p.b", "sql", call=b'{"sql":"SELECT 1"}', upstream=(("p.a", ""), ("q", "daily")), priority=7)
    store.take([TaskCreated(definition, 1000), TaskCreated(TaskDef("solo", "shell"), 1000)])
    store.take([PipelineCreated("p", ("p.a", "p.b"), 2000, "both")])
    store.take([*play.whole("p.a", "r1"), *play.whole("p.b", "r1"), play.created("p.a", "r2", created_at=play.now + 5)])
    task = await history.task("p.b")
    assert task is not None
    assert (task.upstream, task.call, task.payload, task.priority) == (
        ("p.a", "q in daily"),
        {"sql": "SELECT 1"},
        None,
        7,
    )
    assert [t.task for t in await history.tasks()] == ["p.b", "solo"]
    assert [t.task for t in await history.tasks("p")] == ["p.b"]
    assert [t.task for t in await history.tasks(limit=1, after="p.b")] == ["solo"]
    assert [p.tasks for p in await history.pipelines()] == [("p.a", "p.b")]
    assert await history.pipeline("none") is None
    store.take([TaskDeleted("p.b", 3000)])
    assert await history.pipelines() == []
    runs = await history.runs("p")
    assert [(r.run, r.states, r.finished_at is None) for r in runs] == [
        ("r2", {"waiting": 1}, True),
        ("r1", {"succeeded": 2}, False),
    ]
