from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from pipelines.loader import load_folder
from pipelines.views import ExecutionRow
from streams.local.cluster import EXAMPLES
from streams.local.screen import Screen

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def drawn() -> Console:
    """A terminal of 80 columns that remembers."""
    return Console(file=StringIO(), width=80, force_terminal=True, color_system=None)


def text(console: Console) -> str:
    """What it shows."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def a_try(task: str) -> ExecutionRow:
    """An execution that succeeded at its second attempt and took long."""
    rest = {"run": "r", "kind": "function", "priority": 5, "pool": "default", "queue": "default", "owner": "anyone"}
    times = {"created_at": NOW, "started_at": NOW, "finished_at": NOW + timedelta(seconds=59.9), "updated_at": NOW}
    fields = {"execution": task, "task": task, "state": "succeeded", "attempt": 2, **rest, **times}
    return ExecutionRow.model_validate(fields)


def test_the_tree_of_the_example_fits_into_80_columns() -> None:
    """No name, state or time is cut."""
    console = drawn()
    screen = Screen(console)
    pipeline = load_folder(EXAMPLES).pipelines["weather"].model()
    screen.follow(pipeline, "r")
    screen.show({task.id: a_try(task.id) for task in pipeline.tasks})
    console.print(screen._picture(()))
    assert "…" not in text(console)
    assert text(console).count("try 2") == text(console).count("59.9 s") == len(pipeline.tasks)


def test_where_lines_cannot_change_a_second_try_is_said_too() -> None:
    """The state between two tries may have come and gone unseen."""
    console = Console(file=StringIO(), width=80)
    screen, pipeline = Screen(console), load_folder(EXAMPLES).pipelines["weather"].model()
    screen.follow(pipeline, "r")
    screen.show({task.id: a_try(task.id) for task in pipeline.tasks})
    assert text(console).count(": succeeded, try 2\n") == len(pipeline.tasks)


def test_lines_come_in_the_order_in_which_things_happened() -> None:
    """Who waits for another one is not said to be given to a worker before that has ended."""
    console = Console(file=StringIO(), width=80)
    screen, pipeline = Screen(console), load_folder(EXAMPLES).pipelines["weather"].model()
    screen.follow(pipeline, "r")
    first, last = pipeline.tasks[-1].id, pipeline.tasks[0].id
    later = {"started_at": None, "finished_at": None, "state": "dispatched"}  # in the same step
    screen.show({first: a_try(first), last: a_try(last).model_copy(update=later)})
    said = text(console)
    assert said.index(f"{first}: succeeded") < said.index(f"{last}: dispatched")
