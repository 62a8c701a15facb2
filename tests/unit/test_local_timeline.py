from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.model import AnyTask, ExternalTask
from pipelines.views import ExecutionRow
from streams.local.timeline import bar, ended, took, tree

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment after the run's start."""
    return START + timedelta(seconds=seconds)


def task(name: str, *upstream: str) -> AnyTask:
    """A task of the pipeline `p`."""
    return ExternalTask(id=f"p.{name}", upstream=tuple(f"p.{other}" for other in upstream))


def row(**fields: Any) -> ExecutionRow:
    """An execution with what matters here."""
    rest = {"execution": "x", "task": "p.a", "run": "r", "kind": "shell", "priority": 5, "pool": "default"}
    more = {"queue": "default", "owner": "anyone", "attempt": 1, "created_at": START, "updated_at": START}
    return ExecutionRow.model_validate({**rest, **more, "state": "running", **fields})


def test_a_tree_shows_each_task_once_under_its_farthest_upstream() -> None:
    """A task that waits for several stands under the deepest of them and names the others."""
    nodes = tree([task("load"), task("left", "load"), task("right", "load"), task("deep", "right"),
                  task("join", "left", "deep")])  # fmt: skip
    lines = [f"{node.prefix}{node.task}" for node in nodes]
    assert lines == ["└─ p.load", "   ├─ p.left", "   └─ p.right", "      └─ p.deep", "         └─ p.join"]
    assert nodes[-1].others == ("p.left",)


def test_upstream_tasks_of_other_pipelines_are_no_branches() -> None:
    """A task that waits for another pipeline only is a root of the tree."""
    outside = ExternalTask(id="p.a", upstream=("q.b",))
    assert [node.task for node in tree([outside, task("b", "a")])] == ["p.a", "p.b"]


def test_a_bar_is_light_while_waiting_and_solid_while_running() -> None:
    """Ready after a quarter, running after half, ended after three quarters of the line."""
    line = bar(row(ready_at=at(1), started_at=at(2), finished_at=at(3), state="succeeded"), START, at(4), 8)
    assert line.plain == "  ░░██  "


def test_a_bar_ends_now_while_the_task_runs() -> None:
    """Nothing is drawn before a task can run, and a short one still shows."""
    assert bar(row(state="blocked"), START, at(4), 8).plain == " " * 8
    assert bar(row(ready_at=at(2)), START, at(4), 8).plain == "    ░░░░"
    assert bar(row(ready_at=at(0), started_at=at(2)), START, at(4), 8).plain == "░░░░████"
    assert bar(row(started_at=at(0), finished_at=at(0)), START, at(400), 8).plain == "█       "


def test_times_and_ends() -> None:
    """Seconds to a tenth, minutes and seconds above one; an unknown execution has not ended."""
    assert took(row(started_at=at(0), finished_at=at(4.24)), at(9)) == "4.2 s"
    assert took(row(started_at=at(0)), at(192)) == "3m 12s"
    assert took(None, at(0)) == took(row(), at(0)) == took(row(started_at=at(1)), at(0)) == ""
    assert ended(row(state="failed"))
    assert not ended(row())
    assert not ended(None)
