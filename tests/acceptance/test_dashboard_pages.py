"""The dashboard's three pages by Streamlit's own test harness, before a real HTTP API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from showroom.api import TOKEN, free_port, serving
from showroom.world import World, running
from streamlit.testing.v1 import AppTest

import ui
from pipelines.requests import BULK_LIMIT, ExecutionFilter
from pipelines.views import AttemptView
from ui.parts import actions, formats

SHELL = Path(ui.__file__).with_name("shell.py")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world behind an API that this process's dashboard asks."""
    port, made, token = free_port(), World(), tmp_path / "token"
    token.write_text(TOKEN)
    monkeypatch.setenv("HEADRACE_EDGE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HEADRACE_TOKEN_FILE", str(token))
    with serving(made, port):
        yield made
    st.cache_data.clear()
    st.cache_resource.clear()


def _app(page: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(SHELL), default_timeout=60).run()
    if page:
        app.switch_page(f"app_pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def _html(app: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in app.get("html"))


def test_the_overview_counts(world: World) -> None:
    """States, pools and the latest failures stand on the overview, and nothing breaks."""
    for state in ("waiting", "running", "failed", "succeeded"):
        world.add("orders.score", state)
    app = _app()
    assert not app.exception
    assert app.title[0].value == "Overview"
    headings = [heading.value for heading in app.subheader]
    assert (headings[0], headings[-1]) == ("Latest failures", "Pools")
    assert app.dataframe[1].value.iloc[0].to_dict() | {"Oldest wait": ""} == {
        "Pool": "default", "Waiting": "1", "Oldest wait": "", "Running": "1", "Slots free": "7 of 8", "Workers": "2",
    }  # fmt: skip


def test_a_failure_says_why_and_a_pool_that_nobody_serves_is_named(world: World) -> None:
    """The overview has the first line of an error, the failure that came last on top, and what has no worker."""
    now = datetime.now(UTC)
    world.add("a", "failed", error="E" * 200, updated_at=now)
    world.add("b", "failed", error="ValueError: bad row\nsecond line", updated_at=now - timedelta(minutes=1))
    world.add("train", "waiting", pool="gpu")
    app = _app()
    assert not app.exception
    failures, pools = app.dataframe[0].value, app.dataframe[1].value
    assert list(failures["Error"]) == ["E" * 72 + "…", "ValueError: bad row…"]
    assert list(pools["Workers"]) == ["2", "! none"]


def test_dead_letters_of_the_range_stand_on_the_overview(world: World) -> None:
    """How many there were and why, each reason once, and as text whatever it says; without any there is no word."""
    assert "dead letter" not in _html(_app())
    now = datetime.now(UTC)
    world.refuse("of yesterday", now - timedelta(days=1, hours=1))
    for reason in ("no task 'a'", "no task 'a'", "<b>bold</b>"):
        world.refuse(reason, now)
    st.cache_data.clear()
    for _ in range(2):  # an empty system has them too
        said = _html(_app())
        assert "<strong>3 dead letters in " in said
        assert (said.count("no task &#x27;a&#x27;"), "yesterday" in said, "<b>" in said) == (1, False, False)
        assert "&lt;b&gt;bold" in said
        world.add("a", "succeeded")
        st.cache_data.clear()


def test_the_latest_failure_may_be_of_what_was_created_first(world: World) -> None:
    """However many failed that were created after it and ended before it."""
    now = datetime.now(UTC)
    world.add("long", "failed", updated_at=now)
    for _ in range(60):
        world.add("short", "failed", updated_at=now - timedelta(minutes=1))
    assert list(_app().dataframe[0].value["Task"]) == ["long", *["short"] * 4]


def test_times_of_a_retried_one_say_of_which_attempt_they_are(world: World) -> None:
    """The first start, the total, and the last attempt's own times; one that was not retried needs no such words."""
    end, first = datetime.now(UTC), datetime.now(UTC) - timedelta(seconds=90)
    tries = tuple(
        AttemptView(attempt=n + 1, state=state, ready_at=first, started_at=first)
        for n, state in enumerate(("failed", "succeeded"))
    )
    more = {"started_at": end, "finished_at": end, "waited_ms": 20, "ran_ms": 1200}
    said = _html(_app("execution", id=world.add("a", "succeeded", attempt=2, attempts=tries, **more)))
    assert "attempt 2 waited 20 ms, ran 1.2 s; 1m 30s in all." in said
    assert "<dt>first started</dt>" in said
    assert "<dt>in all</dt><dd>1m 30s</dd>" in said
    assert "<dt>attempt 2 ran</dt><dd>1.2 s</dd>" in said
    again = _html(_app("execution", id=world.add("c", "waiting", attempt=1, attempts=tries[:1], worker="mill-0")))
    assert "<dt>attempt 2 worker</dt><dd>-</dd>" in again
    once = _html(_app("execution", id=world.add("b", "succeeded", attempts=tries[1:], **more)))
    assert "waited 20 ms, ran 1.2 s." in once
    assert "<dt>ran</dt><dd>1.2 s</dd>" in once
    never = _html(_app("execution", id=world.add("d", "cancelled", run="", reason="wrong month", attempt=0)))
    assert "Cancelled at -: wrong month.</p>" in never
    assert "<dt>run</dt><dd>-</dd>" in never


def test_only_a_result_that_is_cut_is_called_cut(world: World) -> None:
    """The flag may mean the output; only an HTTP answer is ever cut as a result."""
    output = world.add("a", "succeeded", result={"lines": 2}, result_cut=True)
    body = world.add("b", "succeeded", kind="http", result={"status": 200, "body": "x", "cut": True}, result_cut=True)
    said = [" ".join(c.value for c in _app("execution", id=name).caption) for name in (output, body)]
    assert "cut" not in said[0]
    assert "The body was longer than the limit and is cut." in said[1]


def test_the_list_filters_by_its_address(world: World) -> None:
    """Filters come from the address and reach the API."""
    world.add("orders.score", "succeeded")
    name = world.add("orders.score", "failed", priority=9)
    app = _app("executions", state="failed", priority="P9")
    assert not app.exception
    assert list(app.dataframe[0].value["Execution"]) == [formats.short_id(name)]


def test_more_than_one_action_changes_is_not_offered(world: World) -> None:
    """Who chose too many is told to narrow the filter, and has no button that would be refused."""
    for n in range(BULK_LIMIT + 1):
        world.add("orders.score", "waiting", run=f"{n}")
    app = _app("executions")
    for number, told in ((BULK_LIMIT + 1, 1), (BULK_LIMIT, 0)):
        app.session_state["_asked"] = actions.Request("cancel", match=ExecutionFilter(), seen=number)
        app.run()
        assert not app.exception
        assert any(text.value.startswith(f"{number:,} executions match now.") for text in app.text)
        assert len([error for error in app.error if "narrow the filter" in error.value]) == told
        assert len([button for button in app.button if button.key == "dialog_yes"]) == 1 - told
        world.rows.popitem()


def test_what_the_address_asks_for_in_vain_is_said_and_nothing_is_shown_for_it(world: World) -> None:
    """A mistyped filter is no wider filter: no list, and nothing to do with all that match, before somebody goes on."""
    world.add("orders.score", "failed")
    app = _app("executions", state="failed,lost", range="zz")
    assert not app.exception
    said = " ".join(error.value for error in app.error)
    assert "the state `failed,lost`, which there is not" in said
    assert "Several are written state=one&state=another." in said
    assert "the range `zz`, which there is not. Right would be: 1h, 6h" in said
    assert not app.dataframe
    assert "bulk_all" not in app.session_state
    app.run()
    assert len(app.error) == 2
    app.button("without_wrong").click().run()
    assert not app.error
    assert len(app.dataframe) == 1


def test_a_right_address_ends_what_was_said_of_a_wrong_one(world: World) -> None:
    """In the same session: who mends the address, or chooses in the filter, sees the list."""
    world.add("orders.score", "failed")
    app = _app("executions", state="failed,lost")
    assert len(app.error) == 1
    app.query_params["state"] = "failed"
    app.run()
    assert not app.error
    assert len(app.dataframe) == 1


def test_an_address_with_unknown_filters_shows_nothing_for_them(world: World) -> None:
    """A mistyped name of a filter is no wider filter either."""
    world.add("orders.score", "failed")
    app = _app("executions", stat="failed", late="maybe", size="7", state="failed")
    said = " ".join(error.value for error in app.error)
    assert "the `stat` `failed`, which there is not. Right would be one of: kind, late, " in said
    assert "the late `maybe`, which there is not. Right would be: true, false." in said
    assert not app.dataframe
    app.button("without_wrong").click().run()
    assert not app.error
    assert len(app.dataframe) == 1
    assert not {"stat", "late", "size"} & app.query_params.keys()
    assert app.query_params["state"] == "failed"


def test_ticks_are_kept_by_id(world: World) -> None:
    """A tick stays with its execution when the row moves, and the rows keep their places while one is ticked."""
    first, second = world.add("a", "waiting"), world.add("b", "waiting")
    app = _app("executions")
    app.session_state["executions_ticks"] = {first: world.rows[first]}
    world.add("c", "waiting")
    app.run()
    assert not app.exception
    assert list(app.dataframe[0].value["Execution"]) == [formats.short_id(n) for n in (second, first)]
    assert app.session_state["executions"]["selection"]["rows"] == [1]


def test_an_execution_tells_its_story(world: World) -> None:
    """Why it waits, its attempts, the error of the failing one, its log and its payload."""
    why = ("queue `etl` runs 5 of 5", "3rd of 812 in pool `default`")
    name = world.add("a.b", "running", **running(datetime.now(UTC), 3), why=why, payload={"month": 11})
    world.log(name, "first line", "second line")
    app = _app("execution", id=name)
    assert not app.exception
    shown = _html(app)
    assert "queue <code>etl</code> runs 5 of 5" in shown
    assert shown.index("queue") < shown.index("3rd of 812")
    assert "Error of attempt 2" in [heading.value for heading in app.subheader]
    codes = [block.value for block in app.code]
    assert name in codes
    assert "ValueError: bad row 1" in codes
    assert any("first line" in code and "second line" in code for code in codes)
    assert any('"month": 11' in code for code in codes)


def test_what_was_lost_says_what_is_known(world: World) -> None:
    """When it was found lost, and that it may not start twice; of others neither is said."""
    end = datetime.now(UTC)
    name = world.add("p.load", "lost", delivery="at_most_once", started_at=end, finished_at=end)
    said = _html(_app("execution", id=name))
    assert "Found lost at " in said
    assert "<dt>found lost</dt>" in said
    assert "<dt>delivery</dt><dd>at_most_once: never started twice</dd>" in said
    said = _html(_app("execution", id=world.add("p.load", "succeeded", finished_at=end)))
    assert "<dt>ended</dt>" in said
    assert "<dt>delivery</dt>" not in said


def test_a_wrong_token_is_said_in_a_sentence(world: World, tmp_path: Path) -> None:
    """No traceback: the page says that the API does not accept the token."""
    world.add("a", "waiting")
    (tmp_path / "token").write_text("another")
    app = _app("executions")
    assert not app.exception
    assert "does not accept this dashboard's token" in app.error[0].value
