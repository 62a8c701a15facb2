from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import ValidationError

from pipelines.events import PUBLIC_EVENT, AnyEvent
from pipelines.ids import execution_id, home_of, home_of_task, to_text
from pipelines.model import PAYLOAD_LIMIT
from streams.engine.commands import (
    Cancel,
    CreatePipeline,
    CreateTask,
    DeleteTask,
    Execute,
    ExecutePipeline,
    Finish,
    Retry,
    TaskCommand,
)
from streams.engine.records import RetryPolicy, Rule, TaskDef
from streams.translate import task_def, to_command

AT = 1_000
PARTITIONS = 7
ECHO = {"id": "echo", "kind": "shell", "command": "echo hi"}


def command(event: dict[str, object]) -> TaskCommand:
    """What an event becomes."""
    return placed(event)[1]


def placed(event: dict[str, object]) -> tuple[int, TaskCommand]:
    """What an event becomes, and where it goes."""
    return to_command(PUBLIC_EVENT.validate_python(event), AT, PARTITIONS, "fresh")


def definition(**fields: object) -> TaskDef:
    """The definition of a task with these fields."""
    event: AnyEvent = PUBLIC_EVENT.validate_json(msgspec.json.encode({"type": "create", "task": ECHO | fields}))
    return task_def(event.task)


def test_a_submission_without_a_run_meets_its_repetition() -> None:
    """Two submissions of one task, without a run, name the same execution."""
    first, second = command({"type": "submit", "task": ECHO}), command({"type": "submit", "task": ECHO})
    assert first == second
    assert isinstance(first, Execute)
    assert (first.id, first.run, first.lone) == (execution_id("echo", ""), "", False)


def test_a_submission_carries_its_definition_and_its_time() -> None:
    """What a submission makes can be created and executed at once, not before its time."""
    due = datetime(2026, 1, 2, tzinfo=UTC)
    made = command({"type": "submit", "task": ECHO, "run": "r", "at": due})
    assert isinstance(made, Execute)
    assert made.task_def is not None
    assert made.task_def.call == b'{"command":"echo hi","env":{}}'
    assert made.due_at == due.timestamp() * 1000


def test_a_time_before_1970_means_now() -> None:
    """A time long gone is no time to wait for."""
    made = command({"type": "submit", "task": ECHO, "at": datetime(1960, 1, 1, tzinfo=UTC)})
    assert isinstance(made, Execute)
    assert made.due_at == 0


def test_a_time_behind_the_last_date_is_the_last_one() -> None:
    """West of Greenwich the last evening of 9999 is the year 10000 in UTC, which nothing behind us could show."""
    made = command({"type": "submit", "task": ECHO, "at": "9999-12-31T23:59:59-12:00"})
    assert isinstance(made, Execute)
    assert datetime.fromtimestamp(made.due_at / 1000, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_execution_without_a_run_gets_a_fresh_one() -> None:
    """Each `execute` that names no run is an execution of its own."""
    made = command({"type": "execute", "task": "echo", "payload": {"a": 1}, "priority": 9})
    assert made == Execute(execution_id("echo", "fresh"), "echo", "fresh", AT, 0, 9, b'{"a":1}', lone=True)


def test_an_execution_in_a_run_is_not_lone() -> None:
    """Upstream tasks are looked for in the run that was named."""
    made = command({"type": "execute", "task": "echo", "run": "r"})
    assert made == Execute(execution_id("echo", "r"), "echo", "r", AT, 0, -1, b"", lone=False)


def test_a_pipeline_executes_at_its_home() -> None:
    """A pipeline's run starts on the partition where all its tasks live."""
    assert placed({"type": "execute", "pipeline": "etl", "run": "r"}) == (
        home_of_task("etl.load", PARTITIONS),
        ExecutePipeline("etl", "r", AT),
    )


def test_a_pipeline_is_created_whole() -> None:
    """All tasks of a pipeline travel in one command, to the pipeline's home."""
    tasks = [ECHO | {"id": "etl.a"}, ECHO | {"id": "etl.b", "upstream": ["etl.a"]}]
    home, made = placed({"type": "create", "pipeline": {"id": "etl", "tasks": tasks, "description": "d"}})
    assert isinstance(made, CreatePipeline)
    assert home == home_of_task("etl", PARTITIONS)
    assert [t.id for t in made.tasks] == ["etl.a", "etl.b"]
    assert made.tasks[1].upstream == (("etl.a", ""),)
    assert made.description == "d"


def test_creating_and_deleting_go_to_the_tasks_home() -> None:
    """A task's definition lives where its executions live."""
    home = home_of_task("echo", PARTITIONS)
    assert placed({"type": "create", "task": ECHO}) == (home, CreateTask(definition(), AT))
    assert placed({"type": "delete", "task": "echo"}) == (home, DeleteTask("echo", AT))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "cancel", "reason": "enough"}, lambda which, about: Cancel(which, AT, "enough", about)),
        ({"type": "retry"}, lambda which, about: Retry(which, AT, about)),
        (
            {"type": "finish", "outcome": "failed", "result": [1], "error": "no"},
            lambda which, about: Finish(which, AT, "failed", b"[1]", "no", 0, about),
        ),
    ],
)
def test_an_execution_is_named_by_id_or_by_task_and_run(event: dict[str, object], expected: object) -> None:
    """Both names of an execution lead to the same home; what the id does not tell goes along."""
    which = execution_id("etl.load", "r")
    home = home_of(which, PARTITIONS)
    named = {"task": "etl.load", "run": "r"}
    for name, about in (({"execution": to_text(which)}, ""), (named, "'etl.load' in run 'r'")):
        assert placed(event | name) == (home, expected(which, about))  # type: ignore[operator]
    unnamed = placed(event | {"task": "etl.load"})[1]
    assert unnamed == expected(execution_id("etl.load", ""), "'etl.load' in the run without a name")  # type: ignore[operator]


def test_durations_become_milliseconds() -> None:
    """Seconds and ISO 8601 become milliseconds, and what is not nothing stays at least one."""
    made = definition(timeout="PT1.5S", execution_timeout=90, max_latency=0.0001, retries={"limit": 3, "delay": 2})
    assert (made.timeout, made.execution_timeout, made.max_latency) == (1500, 90_000, 1)
    assert made.retry == RetryPolicy(limit=3, delay=2000)


def test_everything_else_keeps_its_meaning() -> None:
    """Upstream tasks, rules and the promise of delivery are carried over."""
    made = definition(
        upstream=["a", {"task": "b", "run": "yesterday"}],
        notify=[{"on": ["late"], "to": ["json://x"], "title": "t"}],
        delivery="at_most_once",
        trigger="all_done",
    )
    assert made.upstream == (("a", ""), ("b", "yesterday"))
    assert made.notify == (Rule(("late",), ("json://x",), "t"),)
    assert made.at_most_once
    assert made.trigger == "all_done"


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"kind": "function", "function": "f"}, {"function": "f"}),
        ({"kind": "python", "code": "result = 1"}, {"code": "result = 1"}),
        ({"kind": "shell", "command": ["ls", "-l"]}, {"command": ["ls", "-l"], "env": {}}),
        ({"kind": "sql", "sql": "SELECT 1"}, {"sql": "SELECT 1", "parameters": {}, "writes": False}),
        ({"kind": "external"}, {}),
        ({"kind": "sleep", "seconds": "PT2.5S"}, {"seconds": 2.5}),
        (
            {"kind": "http", "url": "https://x", "expect": [404]},
            {"url": "https://x", "method": "GET", "headers": {}, "body": None, "expect": [404]},
        ),
    ],
)
def test_a_call_is_the_kinds_own_fields(fields: dict[str, object], call: dict[str, object]) -> None:
    """A runner gets its kind's fields as a JSON object, and nothing else."""
    event = PUBLIC_EVENT.validate_python({"type": "create", "task": {"id": "t", **fields}})
    assert msgspec.json.decode(task_def(event.task).call) == call


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_of_json_is_refused(number: str) -> None:
    """It would travel as null."""
    event = {"type": "execute", "task": "echo", "payload": {"a": [None, float(number)]}}
    with pytest.raises(ValueError, match=f"the payload cannot travel as JSON: {number} is no number of JSON"):
        command(event)


def test_a_payload_past_the_limit_is_refused_with_both_sizes() -> None:
    """The message says how large the payload is and how large it may be."""
    with pytest.raises(ValueError, match=rf"payload of 'echo' has {PAYLOAD_LIMIT + 1} bytes as JSON; at most"):
        definition(payload="x" * (PAYLOAD_LIMIT - 1))
    assert len(definition(payload="x" * (PAYLOAD_LIMIT - 2)).payload) == PAYLOAD_LIMIT


def test_a_call_past_its_limit_is_refused() -> None:
    """A command has no limit in its model, so the translation sets one."""
    with pytest.raises(ValueError, match=r"what 'echo' calls has .* bytes"):
        definition(command="x" * 5 * PAYLOAD_LIMIT)


def test_an_upstream_in_the_unnamed_run_is_refused() -> None:
    """Inside, an empty run means one's own; another meaning would be mistaken for it."""
    with pytest.raises(ValueError, match="upstream 'a' names an empty run"):
        definition(upstream=[{"task": "a", "run": ""}])


def test_a_task_that_waits_for_itself_is_refused() -> None:
    """Created or submitted, alone or in a pipeline; in another run it may have been there before."""
    own = ECHO | {"upstream": ["a", "echo"]}
    pipeline = {"id": "etl", "tasks": [ECHO | {"id": "etl.a", "upstream": ["etl.a"]}]}
    for event in ({"type": "submit", "task": own}, {"type": "create", "task": own}):
        with pytest.raises(ValidationError, match="task 'echo' waits for itself: leave it out"):
            command(event)
    with pytest.raises(ValidationError, match=r"task 'etl\.a' waits for itself: leave it out"):
        command({"type": "create", "pipeline": pipeline})
    named = {"type": "submit", "task": ECHO | {"upstream": [{"task": "echo", "run": "monday"}]}}
    with pytest.raises(ValueError, match="'echo' in run 'monday' waits for itself: leave it out"):
        command(named | {"run": "monday"})
    assert isinstance(command(named | {"run": "tuesday"}), Execute)


def test_an_address_alone_is_told_of_failure_and_loss() -> None:
    """In JSON as in Python."""
    assert definition(notify=["json://x"]).notify == (Rule(("failed", "lost"), ("json://x",)),)
    with pytest.raises(ValidationError, match="Input should be an Apprise address, or an object"):
        definition(notify=[5])
    with pytest.raises(ValidationError, match="String should match pattern"):
        definition(notify=["nobody"])


def test_notify_rules_past_their_limit_are_refused() -> None:
    """They travel with every step of an execution, so that they cannot be of any size."""
    rules = [{"to": ["json://" + "x" * 600_000]}]
    with pytest.raises(ValueError, match=r"upstream tasks and notify rules of 'echo' have \d+ bytes; at most 524288"):
        definition(notify=rules)


def test_a_pipeline_that_could_never_run_in_one_go_is_refused() -> None:
    """Its edges count, because each one is kept twice in every run."""
    tasks = [ECHO | {"id": f"etl.{n}", "upstream": [f"etl.{m}" for m in range(n)]} for n in range(500)]
    with pytest.raises(ValueError, match=r"the code, payloads and edges of pipeline 'etl' have \d+ bytes; at most"):
        placed({"type": "create", "pipeline": {"id": "etl", "tasks": tasks}})
