"""What `headrace show` prints of a result, and how rows of tables look."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from showroom.world import World, running

from pipelines.views import ExecutionView
from ui.cli.looks import cell, table
from ui.cli.show import RESULT_CHARACTERS, RESULT_LINES, begin_of_result, parts


def printed(result: object) -> list[str]:
    """The lines about a result."""
    world = World()
    view = world.rows[world.add("p.load", "succeeded", result=result)]
    return "\n".join(part.plain for part in begin_of_result(view)).splitlines()


def drawn(view: ExecutionView) -> str:
    """What `headrace show` prints of an execution."""
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(*parts(view, datetime.now(UTC)))
    return screen.export_text()


@pytest.mark.parametrize("result", [{"rows": 3}, [1, 2], "text", 0, False])
def test_a_short_result_is_whole(result: object) -> None:
    """What fits is printed as it is, with no remark."""
    assert json.loads("\n".join(printed(result))) == result


def test_a_long_result_is_cut_with_a_remark() -> None:
    """Of thousands of lines people see the first, how many there are, and how to have all."""
    *lines, remark = printed(list(range(5000)))
    assert lines[:2] == ["[", "  0,"]
    assert len(lines) == RESULT_LINES
    assert "5,002 lines" in remark
    assert "-o json" in remark


def test_a_long_line_is_cut_too() -> None:
    """One line without end is cut by its characters."""
    line, remark = printed("x" * 50_000)
    assert len(line) == RESULT_CHARACTERS
    assert "50,002 characters" in remark


def test_what_was_lost_says_what_is_known() -> None:
    """When it was found lost, that it may not start twice, and nowhere how long it ran."""
    now, world = datetime.now(UTC), World()
    more = {"delivery": "at_most_once", "started_at": now, "finished_at": now + timedelta(seconds=74)}
    more |= {"error": "worker w was lost", "reason": "worker w was lost, and nobody can know whether it ran"}
    lines = [" ".join(line.split()) for line in drawn(world.rows[world.add("p.load", "lost", **more)]).splitlines()]
    assert "delivery at_most_once: never started twice" in lines
    assert "error worker w was lost, and nobody can know whether it ran" in lines
    assert [line.split()[:2] for line in lines if line.startswith(("found", "ended", "ran"))] == [["found", "lost"]]
    lines = drawn(world.rows[world.add("p.load", "succeeded", ran_ms=5)])
    assert "delivery" not in lines


def test_of_several_attempts_it_is_said_whose_times_they_are() -> None:
    """The last one's; and the bars are explained."""
    world, now = World(), datetime.now(UTC)
    lines = drawn(world.rows[world.add("p.load", "running", **running(now, 3))])
    assert "last attempt started" in lines
    assert "last attempt waited" in lines
    assert "░ wait █ ran" in lines
    assert "▒" not in lines
    assert "last attempt" not in drawn(world.rows[world.add("p.load", "running", **running(now, 1))])


def test_the_hatched_bar_of_a_lost_attempt_is_explained() -> None:
    """Where there is one."""
    world = World()
    view = world.rows[world.add("p.load", "running", **running(datetime.now(UTC), 2))]
    lost, last = view.attempts
    lines = drawn(view.model_copy(update={"attempts": (lost.model_copy(update={"state": "lost"}), last)}))
    assert "░ wait █ ran ▒ lost" in lines


def test_a_narrow_timeline_is_as_wide_as_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is longer where an attempt was lost: what still runs reaches to its end."""
    monkeypatch.setattr("ui.cli.show.console", Console(width=80))
    world, legend = World(), "░ wait █ ran ▒ lost"
    view = world.rows[world.add("p.load", "running", **running(datetime.now(UTC), 2))]
    lost, last = view.attempts
    lines = drawn(view.model_copy(update={"attempts": (lost.model_copy(update={"state": "lost"}), last)})).splitlines()
    [head] = [line for line in lines if legend in line]
    [bar] = [line for line in lines if "█" in line and line != head]
    assert bar.rindex("█") + 1 == head.index(legend) + len(legend)


def test_a_cell_is_one_line_that_shows_where_it_was_cut() -> None:
    """However long a text, a row of a table is one line of the terminal."""
    drawn = table(["id", "reason"], whole=["id"])
    drawn.add_row("1b0d6b2186f1", cell("first line\nsecond " + "word " * 40))
    narrow = Console(width=40, record=True, file=io.StringIO())
    narrow.print(drawn)
    _, row = narrow.export_text().splitlines()
    assert row.startswith("1b0d6b2186f1 first line second")
    assert row.endswith("…")
