import contextlib
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from pipelines.events import CreateEvent, SubmitEvent
from pipelines.ids import execution_id, to_text
from pipelines.model import ExternalTask, PipelineModel, SleepTask, UpstreamRef
from pipelines.requests import BulkRequest, ExecutionFilter
from streams.edge.routes.bulk import UNMATCHED
from tests.integration.edge.listing import until
from tests.integration.edge.losing import lose
from ui.client import ApiError, ApiUnavailableError, Client


def until_deleted(client: Client, task: str) -> None:
    """Wait until history, which may be a second behind, knows a task and its end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ApiError):
            if client.task(task).deleted:
                return
        time.sleep(0.1)
    raise AssertionError(f"{task} was not deleted")


def test_a_submission_is_decided_at_once(client: Client, name: str) -> None:
    """Submitting waits for the scheduler's word and gives the id that anyone can compute."""
    accepted = client.submit(ExternalTask(id=name, payload={"a": 1}))
    assert accepted.execution == to_text(execution_id(name, ""))
    assert accepted.state == "running"
    view = client.execution(accepted.execution)
    assert (view.task, view.state, view.kind, view.payload) == (name, "running", "external", {"a": 1})
    assert view.why == ("waits for a `finish` event from outside",)


def test_nobody_has_to_wait(system_http: httpx.Client, name: str) -> None:
    """With no time to wait an order is durable when it is answered, and the answer says that no more is known."""
    event = {"type": "submit", "task": {"id": name, "kind": "external"}}
    answer = system_http.post("/v1/executions", params={"wait": 0}, json=event)
    assert answer.status_code == 202
    assert answer.json()["state"] is None
    again = system_http.post("/v1/executions", json=event)
    assert (again.status_code, again.json()["state"]) == (200, "running")


def test_a_repeated_submission_is_answered_with_the_first(client: Client, name: str) -> None:
    """The scheduler says nothing to a repetition, yet the caller learns that and where the execution stands."""
    first = client.submit(ExternalTask(id=name))
    again = client.submit(ExternalTask(id=name), wait=30)
    assert (first.existing, again.existing) == (False, True)
    assert (again.execution, again.state) == (first.execution, first.state)
    made = client.execution(first.execution or "").created_at
    assert first.created_at == made != again.created_at


def test_a_repeated_run_of_a_pipeline_is_answered_with_the_first(client: Client, name: str) -> None:
    """It is told from one that makes an execution, be it of one task alone."""
    tasks = (ExternalTask(id=f"{name}.a"), ExternalTask(id=f"{name}.b"))
    client.create_pipeline(PipelineModel(id=name, tasks=tasks))
    client.execute(f"{name}.a", run="r")
    assert client.run_pipeline(name, run="r").existing is False
    again = client.run_pipeline(name, run="r", wait=30)
    assert (again.existing, set(again.executions or {})) == (True, {f"{name}.a", f"{name}.b"})


def test_an_execution_is_finished_from_outside(client: Client, name: str) -> None:
    """The result of a finish is readable as soon as the finish is answered."""
    execution = client.submit(ExternalTask(id=name)).execution or ""
    assert client.finish(execution, result={"rows": 3}).state == "succeeded"
    view = client.execution(execution)
    assert (view.state, view.result) == ("succeeded", {"rows": 3})
    with pytest.raises(ApiError) as refused:
        client.finish(execution)
    assert refused.value.status == 409


def test_of_two_who_finish_it_otherwise_one_is_refused(system: Any, name: str) -> None:
    """Though they do so at once: the step that answers the one is none that the other has ordered."""

    def finish(outcome: str) -> int:
        with system.http() as http:
            return http.post(f"/v1/executions/{execution}/finish", json={"outcome": outcome}).status_code

    for n in range(10):
        with system.client() as client:
            execution = client.submit(ExternalTask(id=f"{name}.{n}")).execution
        with ThreadPoolExecutor() as both:
            assert sorted(both.map(finish, ("succeeded", "failed"))) == [200, 409]


def test_who_creates_a_pipeline_is_not_told_that_it_does_not_exist(system: Any, name: str) -> None:
    """That is an answer to somebody who runs it a moment before."""

    def order(path: str, **body: Any) -> int:
        with system.http() as http:
            return http.post(f"/v1/pipelines{path}", json=body).status_code

    for n in range(10):
        which = f"{name}-{n}"
        with ThreadPoolExecutor() as both:
            runs = both.submit(order, f"/{which}/runs", run="r")
            creates = both.submit(order, "", id=which, tasks=[{"id": f"{which}.a", "kind": "external"}])
        assert (creates.result(), runs.result() in {200, 404}) == (200, True)


def test_an_execution_is_cancelled_and_retried(client: Client, name: str) -> None:
    """A cancel is decided when it is answered; a retry names the new execution, and each names the other."""
    old = client.submit(SleepTask(id=name, seconds=timedelta(hours=1))).execution or ""
    assert client.cancel(old, reason="enough").state == "cancelled"
    assert client.execution(old).reason == "enough"
    new = client.retry(old)
    assert new.execution == to_text(execution_id(name, "", 1))
    assert new.state == "running"
    assert client.execution(new.execution or "").retry_of == old
    with pytest.raises(ApiError, match="only what has ended") as refused:
        client.retry(new.execution or "")
    assert refused.value.status == 409


def test_what_is_not_there_is_not_found(client: Client, name: str) -> None:
    """Orders and questions about what does not exist are answered with 404 and a reason."""
    nobody = to_text(execution_id(name, "nowhere"))
    orders = [
        lambda: client.execute(name),
        lambda: client.delete_task(name),
        lambda: client.run_pipeline(name),
        lambda: client.cancel(nobody),
        lambda: client.retry(nobody),
        lambda: client.finish(nobody),
        lambda: client.execution(nobody),
        lambda: client.execution("00000000"),
        lambda: client.execution("no id at all"),
        lambda: client.events(nobody),
        lambda: client.logs(nobody),
        lambda: client.task(name),
        lambda: client.pipeline(name),
        lambda: client.runs(name),
    ]
    for order in orders:
        with pytest.raises(ApiError) as refused:
            order()
        assert refused.value.status == 404
        assert refused.value.problem.detail


def test_a_task_is_created_executed_and_deleted(client: Client, name: str) -> None:
    """What was created can be executed many times, and no more once it was deleted."""
    assert client.create_task(ExternalTask(id=name, payload=1, priority=3)).task == name
    assert client.task(name).priority == 3
    one, two = client.execute(name, payload=2, priority=8), client.execute(name)
    assert one.execution != two.execution
    view = client.execution(one.execution or "")
    assert (view.priority, view.payload, view.run) == (8, 2, one.run)
    client.delete_task(name)
    until_deleted(client, name)
    with pytest.raises(ApiError) as refused:
        client.execute(name)
    assert refused.value.status == 404


def test_a_pipeline_runs(client: Client, name: str) -> None:
    """A run has one execution a task; one that waits says for whom, and goes on when that one has ended."""
    first, second = f"{name}.first", f"{name}.second"
    tasks = (ExternalTask(id=first), ExternalTask(id=second, upstream=(first,)))
    created = client.create_pipeline(PipelineModel(id=name, tasks=tasks, description="two in a row"))
    assert (created.pipeline, created.task) == (name, None)
    assert client.pipeline(name).tasks == (first, second)
    run = client.run_pipeline(name, run="r1")
    assert (run.pipeline, run.task) == (name, None)
    made = run.executions or {}
    assert set(made) == {first, second}
    blocked = client.execution(made[second])
    assert blocked.state == "blocked"
    assert blocked.why[0].startswith(f"waits for `{first}` (running ")
    assert [u.task for u in blocked.upstream] == [first]
    client.finish(made[first])
    deadline = time.monotonic() + 30
    while client.execution(made[second]).state != "running":
        assert time.monotonic() < deadline
    client.finish(made[second])
    until(client, ExecutionFilter(pipeline=name, state=("succeeded",)), 2)
    [shown] = client.runs(name)
    assert (shown.run, shown.states) == ("r1", {"succeeded": 2})
    assert shown.finished_at is not None


def test_a_pipeline_whose_tasks_are_deleted_is_gone_but_for_its_runs(client: Client, name: str) -> None:
    """It is there as long as it has a task, alone as in the list; one of the same name may come again."""
    first, second = f"{name}.first", f"{name}.second"
    whole = PipelineModel(id=name, tasks=(ExternalTask(id=first), ExternalTask(id=second)))
    client.create_pipeline(whole)
    client.run_pipeline(name, run="r1")
    until(client, ExecutionFilter(pipeline=name), 2)
    client.delete_task(first)
    assert client.pipeline(name).tasks == (first, second)
    client.delete_task(second)
    with pytest.raises(ApiError, match="it was deleted with all its tasks") as refused:
        client.pipeline(name)
    assert refused.value.status == 404
    with pytest.raises(ApiError) as refused:
        client.run_pipeline(name)
    assert refused.value.status == 404
    assert [run.run for run in client.runs(name)] == ["r1"]
    client.create_pipeline(whole)
    assert client.pipeline(name).tasks == (first, second)


def test_a_due_time_is_kept(client: Client, name: str) -> None:
    """An execution that is not due yet says when it will be."""
    due = datetime.now(UTC) + timedelta(hours=2)
    accepted = client.submit(ExternalTask(id=name), at=due)
    assert accepted.state == "scheduled"
    view = client.execution(accepted.execution or "")
    assert view.due_at is not None
    assert abs(view.due_at - due) < timedelta(milliseconds=2)
    assert view.why in (("due in 1h 59m",), ("due in 2h 00m",))


def test_why_it_waits_without_a_worker(client: Client, name: str) -> None:
    """Where a pool has no worker, the sentence says so and how to start one."""
    pool = f"p-{name}"
    task = {"id": name, "kind": "shell", "command": "true", "pool": pool}
    accepted = client.send([SubmitEvent.model_validate({"task": task})])[0]
    until(client, ExecutionFilter(task=name), 1)
    deadline = time.monotonic() + 30
    while not (view := client.execution(accepted.execution or "")).why[1:]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert view.state == "waiting"
    assert view.why[0] == f"no worker in pool `{pool}`: start one with `headrace worker --pool {pool}`"
    assert view.why[1].startswith(f"in the line of pool `{pool}`: the only one of priority 5")
    assert pool in [p.pool for p in client.pools()]
    client.cancel(accepted.execution or "")


def test_many_events_at_once(client: Client, name: str) -> None:
    """A list is taken whole; what it made is in history within moments."""
    events = [SubmitEvent(task=ExternalTask(id=f"{name}.{n}")) for n in range(200)]
    accepted = client.send([*events, CreateEvent(task=ExternalTask(id=f"{name}.made"))])
    assert [one.task for one in accepted][-2:] == [f"{name}.199", f"{name}.made"]
    until(client, ExecutionFilter(pipeline=name), 200)


def test_a_list_with_one_bad_event_changes_nothing(client: Client, system_http: httpx.Client, name: str) -> None:
    """All events of a list are checked before the first is sent, and the fault says where it is."""
    good = {"type": "submit", "task": {"id": name, "kind": "external"}}
    bad = {"type": "submit", "task": {"id": name, "kind": "external", "priority": 12}}
    answer = system_http.post("/v1/events", json=[good, bad])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [fault] = answer.json()["errors"]
    assert fault == {"field": "[1].task.priority", "problem": "Input should be less than or equal to 9", "value": "12"}
    with pytest.raises(ApiError):
        client.execution(to_text(execution_id(name, "")))


def test_sizes_are_refused_with_both_figures(system_http: httpx.Client, name: str) -> None:
    """A payload past the limit is refused by its size, a body past the limit before it is read."""
    task = {"id": name, "kind": "external", "payload": "x" * 300_000}
    answer = system_http.post("/v1/tasks", json=task)
    assert answer.status_code == 422
    assert "300002 bytes as JSON; at most 262144" in answer.json()["detail"]
    answer = system_http.post("/v1/tasks", content=b"x" * 17_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["title"] == "Request Entity Too Large"


def test_many_are_cancelled_by_id(client: Client, name: str) -> None:
    """By id or its end: those that cannot be cancelled are named with the reason, the others are cancelled."""
    ids = [client.submit(ExternalTask(id=f"{name}.{n}")).execution or "" for n in range(3)]
    client.finish(ids[0])
    nobody = to_text(execution_id(name, "nowhere"))
    with pytest.raises(ApiError, match="no execution's id ends with 'ffffffffffff'"):
        client.cancel_many(BulkRequest(ids=(ids[1], "f" * 12)))
    answer = client.cancel_many(BulkRequest(ids=(ids[0], ids[1][-12:], ids[2], nobody)))
    assert answer.accepted == 2
    assert {r.execution: r.detail for r in answer.refused} == {
        ids[0]: f"'{name}.0' in the run without a name has succeeded already",
        nobody: "no such execution",
    }
    until(client, ExecutionFilter(pipeline=name, state=("cancelled",)), 2)


def test_a_pipeline_that_is_retried_waits_for_its_new_executions(client: Client, name: str) -> None:
    """Whatever order its rows come in, and again after that."""
    tasks = [ExternalTask(id=f"{name}.{n}", upstream=(f"{name}.{n - 1}",) if n else ()) for n in range(4)]
    first, *rest = [one.execution or "" for one in client.send([SubmitEvent(task=task, run="r") for task in tasks])]
    for round_ in range(3):
        client.finish(first, outcome="failed")
        until(client, ExecutionFilter(pipeline=name, state=("failed", "upstream_failed")), 4 * (round_ + 1))
        new = client.retry_many(BulkRequest(ids=(*rest, first))).executions
        first, *rest = [new[one] for one in (first, *rest)]
        until(client, ExecutionFilter(pipeline=name, state=("running", "blocked")), 4)


@pytest.mark.parametrize("by", ["filter", "ids"])
def test_a_pipeline_is_cancelled_against_its_order(client: Client, name: str, by: str) -> None:
    """Who waits is cancelled too: it does not end by the end of what it waits for, whatever order its rows come in."""
    tasks = [ExternalTask(id=f"{name}.{n}", upstream=(f"{name}.{n - 1}",) if n else ()) for n in range(4)]
    made = [one.execution or "" for one in client.send([SubmitEvent(task=task, run="r") for task in tasks])]
    every = ExecutionFilter(pipeline=name)
    until(client, every, 4)
    wanted = BulkRequest(filter=every, expected=4) if by == "filter" else BulkRequest(ids=tuple(made))
    assert list(client.cancel_many(wanted).executions) == (made if by == "ids" else until(client, every, 4))
    until(client, ExecutionFilter(pipeline=name, state=("cancelled",)), 4)


def test_what_would_wait_for_itself_is_refused(client: Client, system_http: httpx.Client, name: str) -> None:
    """By HTTP where it is created or submitted, and by the scheduler where what is kept is executed in its own run."""
    named = ExternalTask(id=name, upstream=(UpstreamRef(task=name, run="r"),))
    own = {"id": name, "kind": "external", "upstream": [name]}
    answer = system_http.post("/v1/tasks", json=own)
    assert (answer.status_code, "waits for itself" in answer.json()["errors"][0]["problem"]) == (422, True)
    client.create_task(named)
    for order, status in ((lambda: client.submit(named, run="r"), 422), (lambda: client.execute(name, run="r"), 409)):
        with pytest.raises(ApiError, match="waits for itself") as refused:
            order()
        assert refused.value.status == status
    assert client.execute(name, run="q").state == "blocked"


def test_all_that_match_are_cancelled_and_retried(client: Client, name: str) -> None:
    """The server resolves the filter, refuses when more match than were confirmed, and names the new executions."""
    client.send([SubmitEvent(task=ExternalTask(id=f"{name}.{n}")) for n in range(5)])
    running = ExecutionFilter(pipeline=name, state=("running",))
    until(client, running, 5)
    with pytest.raises(ApiError, match="5 match now, 4 were expected") as refused:
        client.cancel_many(BulkRequest(filter=running, expected=4))
    assert refused.value.status == 409
    assert client.cancel_many(BulkRequest(filter=running, expected=5)).accepted == 5
    assert client.cancel_many(BulkRequest(filter=ExecutionFilter(task=f"{name}-x"), expected=1)).detail == UNMATCHED
    cancelled = ExecutionFilter(pipeline=name, state=("cancelled",))
    old = until(client, cancelled, 5)
    answer = client.retry_many(BulkRequest(filter=cancelled, expected=5))
    assert set(answer.executions) == set(old)
    assert set(until(client, running, 5)) == set(answer.executions.values())
    again = client.retry_many(BulkRequest(filter=cancelled, expected=5))
    assert (again.accepted, again.executions) == (0, {})
    why = {one.execution: one.detail for one in again.refused}
    assert why == {one: f"it was retried already, as {new}" for one, new in answer.executions.items()}


def test_pages_follow_each_other(client: Client, name: str) -> None:
    """A cursor goes on where the page before ended, and the last page has none."""
    client.send([SubmitEvent(task=ExternalTask(id=f"{name}.{n}")) for n in range(7)])
    which = ExecutionFilter(pipeline=name)
    until(client, which, 7)
    seen: list[str] = []
    cursor = ""
    while True:
        page = client.executions(which, limit=3, cursor=cursor)
        seen += [row.execution for row in page.items]
        if page.next is None:
            break
        cursor = page.next
    assert len(seen) == len(set(seen)) == 7
    with pytest.raises(ApiError) as refused:
        client.executions(which, cursor="no cursor")
    assert refused.value.status == 422


def test_the_last_characters_name_an_execution(client: Client, name: str) -> None:
    """Eight characters will do where they are unique, and an ambiguous end says between whom."""
    ids = [client.submit(ExternalTask(id=f"{name}.{n}")).execution or "" for n in range(2)]
    assert client.execution(ids[0][-12:]).execution == ids[0]
    assert client.execution(ids[0][-8:].upper()).execution == ids[0]
    assert client.cancel(ids[1][-12:]).execution == ids[1]
    alike = [client.submit(ExternalTask(id=task)).execution or "" for task in _namesakes(name)]
    with pytest.raises(ApiError) as refused:
        client.execution(alike[0][-8:])
    assert refused.value.status == 409
    assert all(execution in str(refused.value) for execution in alike)


def _namesakes(name: str) -> tuple[str, str]:
    """Two tasks of a pipeline whose executions' ids end with the same eight characters."""
    seen: dict[str, str] = {}
    for task in (f"{name}.alike-{n}" for n in itertools.count()):
        end = to_text(execution_id(task, ""))[-8:]
        if end in seen:
            return seen[end], task
        seen[end] = task
    raise AssertionError


def test_dead_letters_are_shown(client: Client, system: Any, name: str) -> None:
    """What a producer of somebody else's got wrong is listed with its reason, in the names that stood in the event."""
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)
    for event in ('{"type": "nonsense", "mark": "%s"}', '{"type": "cancel", "task": "%s", "run": "zzz"}'):
        producer.send(system.topics.submit, (event % name).encode())
    producer.flush()
    producer.close()
    deadline = time.monotonic() + 30
    while len(mine := {one.stage: one.reason for one in client.dead_letters() if name in one.first_bytes}) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "there is no such type; one of create, execute" in mine["submit"]
    assert mine["schedule"] == f"no execution of '{name}' in run 'zzz', or it ended too long ago"


def test_sql_is_answered_and_held_back(client: Client, name: str) -> None:
    """A question is answered with types; a statement that writes needs to say so; nonsense is the caller's fault."""
    answer = client.sql("SELECT {n:UInt8} AS n, 'x' AS s", {"n": 7})
    assert (answer.columns, answer.types, answer.rows) == (("n", "s"), ("UInt8", "String"), ((7, "x"),))
    for statement in (f"CREATE TABLE t_{name[2:]} (a Int8) ENGINE = Memory", "SELEC", "SELECT nothing_there"):
        with pytest.raises(ApiError) as refused:
            client.sql(statement)
        assert refused.value.status == 422


def test_overview_health_and_metrics(client: Client, system_http: httpx.Client, name: str) -> None:
    """The overview counts what runs, health knows the roles without a token, and Prometheus can read the figures."""
    client.submit(ExternalTask(id=name))
    until(client, ExecutionFilter(task=name), 1)
    assert client.overview().now["running"] >= 1
    open_health = httpx.get(f"{system_http.base_url}/health", trust_env=False)
    assert open_health.status_code == 200
    assert {role["role"] for role in open_health.json()["roles"]} >= {"edge", "scheduler"}
    figures = system_http.get("/metrics").text
    assert 'headrace_silent_seconds{name="edge-' in figures
    assert 'headrace_edge_requests_total{method="GET",route="/v1/overview",status="200"}' in figures


def test_bodies_that_are_no_json_are_problems(system_http: httpx.Client) -> None:
    """Whatever comes, the answer is a problem document that says what was wrong."""
    for body in (b"", b"{", b"[1", b"\xff", b"null", b"[" * 100_000, b'{"type": "submit", "type": 5}', b"[[]]"):
        answer = system_http.post("/v1/events", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), body[:20]
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


def test_no_edge_is_unavailable() -> None:
    """Where nothing answers, the error says so."""
    with Client("http://127.0.0.1:9", "x" * 40) as nowhere, pytest.raises(ApiUnavailableError):
        nowhere.health()


def test_whoever_retries_is_told_what_may_run_twice(system: Any, client: Client, name: str) -> None:
    """A lost one of a task that is never to start twice is retried, since somebody asked for it."""
    ids = lose(system, client, name, 4)
    one, many = client.retry_many(BulkRequest(ids=ids[:1])), client.retry_many(BulkRequest(ids=ids[1:3]))
    assert (
        one.detail
        == client.retry(ids[3]).detail
        == "a lost one may have run: this at_most_once task may now run a second time"
    )
    assert many.detail == "2 lost ones may have run: these at_most_once tasks may now run a second time"
    assert client.cancel(one.executions[ids[0]]).detail is None
