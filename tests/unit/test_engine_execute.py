"""How executions come to be: alone, as a pipeline, again, and after others."""

import pytest
from msgspec.structs import replace
from simulated.house import House, moves, refusals

from pipelines.ids import execution_id, home_of_task, to_text
from streams.engine import commands as c
from streams.engine.records import State, TaskDef
from streams.engine.weight import PIPELINE_LIMIT

A, B = TaskDef("p.a", "python", b"{}"), TaskDef("p.b", "python", b"{}", upstream=(("p.a", ""),))


def pipeline(*tasks: TaskDef) -> House:
    """A house in which pipeline `p` exists."""
    house = House()
    house.do(c.CreatePipeline("p", tasks, 1))
    return house


def test_i1_a_repeated_submission_meets_the_first() -> None:
    """The second one changes nothing and is nobody's fault."""
    house = House()
    which = house.submit()
    before = house.record(which)
    out = house.do(c.Execute(which, "t", "r", 1, task_def=TaskDef("t", "shell")))
    assert refusals(out) == ["this execution exists already"]
    assert house.record(which) == before


def test_an_unknown_task_is_refused_by_name() -> None:
    """The sentence says what to do."""
    house = House()
    out = house.do(c.Execute(b"i" * 16, "t", "r", 1))
    assert refusals(out) == ["task 't' does not exist: create it first, or submit it whole"]


def test_an_execution_without_a_run_cannot_wait_for_others_in_it() -> None:
    """Where nobody named the run, no upstream can ever be in it; one in a named run can be waited for."""
    house = House()
    for task, upstream in (("own", (("u", ""),)), ("other", (("u", "named"),))):
        house.do(c.CreateTask(TaskDef(task, "python", upstream=upstream), 1))
    (refused,) = refusals(house.do(c.Execute(b"1" * 16, "own", "x", 1, lone=True)))
    assert refused == "task 'own' waits for u: name the run in which they are executed"
    assert moves(house.do(c.Execute(b"2" * 16, "other", "x", 1, lone=True))) == [("created", State.BLOCKED)]


@pytest.mark.parametrize("run", ["", "r"])
def test_nothing_waits_for_itself(run: str) -> None:
    """It would be blocked for ever, and with it a pipeline's run; itself in another run can be waited for."""
    lone, first = TaskDef("t", "python", upstream=(("t", run),)), TaskDef("p.a", "python", upstream=(("p.a", run),))
    said = "in run 'r' waits for itself: leave it out of its upstream tasks, or name another run"
    house = pipeline(first, B)
    house.do(c.CreateTask(lone, 1))
    for task in (None, lone):
        assert refusals(house.do(c.Execute(execution_id("t", "r"), "t", "r", 1, task_def=task))) == [f"'t' {said}"]
    assert refusals(house.do(c.ExecutePipeline("p", "r", 1))) == [f"'p.a' {said}"]
    assert house.table.execution(execution_id("p.b", "r")) is None
    if run:
        assert moves(house.do(c.Execute(execution_id("t", "q"), "t", "q", 1))) == [("created", State.BLOCKED)]


def test_an_executions_own_payload_and_priority_win() -> None:
    """What an execution names stands instead of the task's own."""
    house = House()
    house.do(c.CreateTask(TaskDef("t", "python", b"{}", b"1", priority=2), 1))
    house.do(c.Execute(b"1" * 16, "t", "x", 1))
    house.do(c.Execute(b"2" * 16, "t", "x", 1, priority=9, payload=b"2"))
    assert [house.record(n * 16).priority for n in (b"1", b"2")] == [2, 9]
    assert [house.table.body(n * 16) for n in (b"1", b"2")] == [(b"{}", b"1"), (b"{}", b"2")]


def test_an_execution_that_is_due_later_waits_for_its_time() -> None:
    """Nothing starts before it is due, and then it goes where its rule says."""
    house = House()
    which = house.submit(due_at=house.now + 500)
    assert house.state(which) == State.SCHEDULED
    assert refusals(house.do(c.Wake(which, house.now))) == ["it has ended, or its timer is not due, or was set anew"]
    assert moves(house.wake(which)) == [("ready", State.WAITING)]


def test_a_pipelines_tasks_are_executed_in_one_run() -> None:
    """One execution per task, in any order of the definition; a repetition changes nothing."""
    house = pipeline(B, A)
    states = [s for _, s in moves(house.do(c.ExecutePipeline("p", "r", 1)))]
    assert states == [State.BLOCKED, State.WAITING]
    assert moves(house.do(c.ExecutePipeline("p", "r", 1))) == []
    house.complete(execution_id("p.a", "r"))
    assert house.state(execution_id("p.b", "r")) == State.WAITING


def test_an_unknown_pipeline_is_refused() -> None:
    """The sentence says what to do."""
    assert refusals(House().do(c.ExecutePipeline("p", "r", 1))) == ["pipeline 'p' does not exist: create it first"]


def test_i1_a_pipeline_without_one_of_its_tasks_does_not_start() -> None:
    """The others would wait for the missing one for ever: all or nothing."""
    house = pipeline(A, B)
    house.do(c.DeleteTask("p.a", 1))
    assert refusals(house.do(c.ExecutePipeline("p", "r", 1))) == [
        "pipeline 'p' cannot run without its task 'p.a', which was deleted: create the pipeline again"
    ]
    assert house.table.execution(execution_id("p.b", "r")) is None


@pytest.mark.parametrize(
    "tasks",
    [
        [replace(A, payload=b"x" * (PIPELINE_LIMIT // 2)), replace(B, call=b"x" * (PIPELINE_LIMIT // 2))],
        [TaskDef(f"p.{n}", "python", upstream=tuple((f"p.{m}", "") for m in range(n))) for n in range(500)],
    ],
    ids=["payloads", "edges"],
)
def test_i11_a_pipeline_that_does_not_fit_into_one_commit_is_refused(tasks: list[TaskDef]) -> None:
    """A commit is appended whole or not at all: what can never be made durable is not begun, and not even created."""
    house = House()
    (refused,) = refusals(house.do(c.CreatePipeline("p", tuple(tasks), 1)))
    assert refused.startswith("the tasks of pipeline 'p' take ")
    assert refused.endswith("and payloads together with their edges must stay within 8,388,608")
    assert (house.table.pipeline("p"), house.table.task("p.a")) == (None, None)


def test_i11_a_payload_for_all_tasks_counts_for_each() -> None:
    """The payload of an execution goes to every task of the pipeline."""
    house = pipeline(*(TaskDef(f"p.{n}", "python") for n in range(40)))
    assert refusals(house.do(c.ExecutePipeline("p", "r", 1, payload=b"x" * 250_000)))
    assert len(moves(house.do(c.ExecutePipeline("p", "r", 1, payload=b"x" * 200_000)))) == 40


def test_a_pipeline_that_is_replaced_forgets_its_old_tasks() -> None:
    """A task that the new definition does not have takes no further executions."""
    house = pipeline(A, B)
    house.do(c.CreatePipeline("p", (A,), 2))
    assert (house.table.task("p.b"), house.table.pipeline("p")) == (None, ("p.a",))


def test_deleting_what_is_not_there_is_refused() -> None:
    """The sentence names the task."""
    assert refusals(House().do(c.DeleteTask("t", 1))) == ["no task 't'"]


def test_a_retry_is_a_new_execution_that_names_the_old_one() -> None:
    """I9: the old record keeps its end; a repeated retry changes nothing."""
    house = House()
    which = house.submit(payload=b"1")
    assert refusals(house.do(c.Retry(which, 1))) == ["'t' in run 'r' is waiting: only what has ended can be retried"]
    house.complete(which, "failed")
    assert moves(house.do(c.Retry(which, 1))) == [("retried", State.FAILED), ("created", State.WAITING)]
    new = house.record(execution_id("t", "r", 1))
    assert (new.retry_of, house.record(which).retried_as, house.state(which)) == (which, new.id, State.FAILED)
    assert house.table.body(new.id) == (b"{}", b"1")
    assert refusals(house.do(c.Retry(which, 1))) == [f"it was retried already, as {to_text(new.id)}"]


def test_i9_a_retry_never_replaces_an_execution_that_is_there() -> None:
    """The old one was forgotten, mark and all, and submitted again, while its first retry is still known."""
    house = House(remember_done=0)
    which = house.submit()
    house.complete(which, "failed")
    house.do(c.Retry(which, 1))
    retried = execution_id("t", "r", 1)
    house.assign(retried)
    house.wake(which)  # it is forgotten
    house.submit()
    house.complete(which, "failed")
    assert moves(house.do(c.Retry(which, 1))) == []
    assert house.state(retried) == State.DISPATCHED


def test_the_retried_upstream_is_the_one_that_counts() -> None:
    """Who is retried waits for the newest retry of what it waits for."""
    house = House()
    up, down = house.submit("u"), house.submit("d", upstream=(("u", ""),))
    house.complete(up, "failed")
    assert house.state(down) == State.UPSTREAM_FAILED
    house.do(c.Retry(up, 1))
    house.do(c.Retry(down, 1))
    assert house.state(execution_id("d", "r", 1)) == State.BLOCKED
    house.complete(execution_id("u", "r", 1), result=b"7")
    assert house.state(execution_id("d", "r", 1)) == State.WAITING


def test_news_from_another_partition_is_heard_once() -> None:
    """The value of a remote upstream is kept for its execution; a repetition is stale."""
    remote = next(f"u{n}" for n in range(99) if home_of_task(f"u{n}", 2) == 1)
    local = next(f"d{n}" for n in range(99) if home_of_task(f"d{n}", 2) == 0)
    house = House(0, 2)
    which, up = house.submit(local, upstream=((remote, ""),)), execution_id(remote, "r")
    news = c.UpstreamFinished(which, up, "succeeded", b"7")
    assert [what for what, _ in moves(house.do(news))] == ["upstream_finished", "ready"]
    assert house.table.kept_result(which, up) == b"7"
    assert refusals(house.do(news)) == ["it does not wait for this upstream any more"]


@pytest.mark.parametrize("state", ["scheduled", "blocked", "waiting", "dispatched", "running"])
def test_a_cancel_ends_whatever_has_not_ended(state: str) -> None:
    """I9: in every state once, and a second one is refused."""
    house = House()
    fields = {"scheduled": {"due_at": 9_999}, "blocked": {"upstream": (("u", ""),)}}
    which = house.submit(**fields.get(state, {}))
    if state in {"dispatched", "running"}:
        house.assign(which)
    if state == "running":
        house.do(c.Started(which, 1, "w", house.now))
    assert house.state(which) == state
    assert moves(house.do(c.Cancel(which, 1, "enough"))) == [("cancelled", State.CANCELLED)]
    assert house.record(which).reason == "enough"
    assert refusals(house.do(c.Cancel(which, 1))) == ["'t' in run 'r' is cancelled already"]


def test_a_skip_goes_down_the_whole_chain_in_one_step() -> None:
    """Everyone who can never run any more ends with the one they waited for."""
    house = House()
    for n in range(1, 200):
        house.submit(f"t{n}", upstream=((f"t{n - 1}", ""),))
    out = house.complete(house.submit("t0"), "skipped")
    assert [what for what, _ in moves(out)].count("skipped") == 200


def test_the_execution_timeout_ends_it_wherever_it_is() -> None:
    """It counts from the due time, over all attempts."""
    house = House()
    which = house.submit(execution_timeout=1_000, upstream=(("never", ""),))
    assert moves(house.wake(which)) == [("failed", State.FAILED)]
    assert house.record(which).error == "execution timeout of 1 s"
