from datetime import UTC, datetime

from pipelines.views import ExecutionPage, ExecutionRow, StateName
from streams.local.farewell import fates, still_running

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def row(task: str, state: StateName) -> ExecutionRow:
    """An execution that ran when everything was stopped, and what came of it."""
    rest = {"run": "r", "kind": "shell", "priority": 5, "pool": "default", "queue": "default", "owner": "anyone"}
    times = {"attempt": 1, "created_at": NOW, "updated_at": NOW}
    return ExecutionRow.model_validate({"execution": f"{task}-id", "task": task, "state": state, **rest, **times})


def test_each_task_that_ran_is_told_with_what_came_of_it() -> None:
    """What ended, what runs again, and what nobody may run again."""
    assert fates([row("b", "succeeded"), row("a", "failed")]) == "the 2 tasks a (a-id), b (b-id) ended"
    assert fates([row("a", "succeeded"), row("b", "waiting"), row("c", "lost")]) == (
        "the task a (a-id) ended; the task b (b-id) will run again after the next start; "
        "the task c (c-id) ended as lost (at_most_once)"
    )


def test_what_has_ended_since_the_history_was_written_is_not_waited_for() -> None:
    """A page of running tasks may hold one whose end the API has heard of already."""
    runs, ended = row("a", "running"), row("b", "succeeded")
    page = still_running(ExecutionPage(items=(ended, runs), total=102))
    assert (page.items, page.total) == ((runs,), 101)
