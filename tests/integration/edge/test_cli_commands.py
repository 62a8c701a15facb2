import contextlib
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from kafka import KafkaProducer

from pipelines.ids import execution_id, to_text
from pipelines.model import ExternalTask, PipelineModel, SleepTask, UpstreamRef
from pipelines.requests import BulkRequest, ExecutionFilter
from streams.local.lockfile import only_one
from tests.integration.edge.listing import until
from ui.cli.upstreams import LOOKS, unknown_upstreams
from ui.client import ApiError, Client


def until_kept(client: Client, name: str) -> None:
    """Wait until the history has a task."""
    deadline = time.monotonic() + 30
    while name not in {one.task for one in client.tasks(limit=1000)} and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nonsense"], 2),
        (["submit", "nosuch", "x"], 2),
        (["submit"], 2),
        (["submit", "shell", "true", "--priority", "12"], 2),
        (["submit", "shell", "true", "--payload", "no json"], 2),
        (["submit", "shell", "true", "--delivery", "at-most-once"], 2),
        (["submit", "shell", "true", "--trigger", "all-done"], 2),
        (["cancel"], 2),
        (["cancel", "--run", "no-such-run", "--yes"], 0),
        (["sql", "SELEC"], 2),
        (["sql", " "], 2),
        (["show", ""], 2),
        (["show", "00000000"], 3),
        (["execute", "no-such-task"], 3),
        (["retry", to_text(execution_id("no", "such"))], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes(system: Any, words: list[str], code: int) -> None:
    """What went wrong is told by the exit code and on standard error; standard output stays empty."""
    done = system.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_token_is_not_allowed(system: Any, tmp_path: Any) -> None:
    """Exit code 4: the edge does not know this token, or others could read it."""
    other = tmp_path / "token"
    other.write_text("x" * 43)
    other.chmod(0o600)
    assert system.run("list", HEADRACE_TOKEN_FILE=str(other)).returncode == 4
    other.chmod(0o644)
    assert system.run("list", HEADRACE_TOKEN_FILE=str(other)).returncode == 4


def test_no_edge_is_unavailable(system: Any, tmp_path: Any) -> None:
    """Exit code 5: nothing answers, or there is no token because no edge ever started."""
    assert system.run("list", HEADRACE_EDGE_URL="http://127.0.0.1:9").returncode == 5
    assert system.run("list", HEADRACE_HOME=str(tmp_path)).returncode == 5


def test_a_folders_pipelines_are_loaded(system: Any, tmp_path: Any, name: str) -> None:
    """They can be executed afterwards; a file that cannot be loaded is named and fails the command."""
    good = f"from headrace import Pipeline\n\npipeline = Pipeline({name!r})\npipeline.sleep('nap', seconds=0)\n"
    (tmp_path / "good.py").write_text(good)
    done = system.run("load", str(tmp_path))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"Loaded from {tmp_path}: the pipeline {name}.")
    (tmp_path / "bad.py").write_text("1 / 0")
    done = system.run("load", str(tmp_path))
    assert done.returncode == 1
    assert "bad.py" in done.stdout


def test_loading_names_what_is_kept_and_not_in_the_folder(
    system: Any, client: Client, tmp_path: Any, name: str
) -> None:
    """What another folder made known goes on being known: nobody is to wonder at it in the lists."""
    (tmp_path / "mine.py").write_text(
        f"from headrace import Pipeline\n\npipeline = Pipeline({name!r})\npipeline.sleep('nap', seconds=0)\n"
    )
    (tmp_path / "empty").mkdir()
    _, _, kept = system.run("load", str(tmp_path)).stdout.partition("Kept as well, not in this folder ")
    assert name not in kept
    until_kept(client, f"{name}.nap")
    (tmp_path / "empty" / "bad.py").write_text("1 / 0")
    assert "Kept as well, not loaded now: the " in system.run("load", str(tmp_path / "empty")).stdout
    (tmp_path / "empty" / "bad.py").unlink()
    _, _, kept = system.run("load", str(tmp_path / "empty")).stdout.partition("Kept as well, ")
    assert kept.startswith("not in this folder (created, or loaded before): the ")
    assert kept.endswith("`headrace tasks` lists all.\n")


def test_the_folder_of_the_running_system_is_loaded(system: Any, tmp_path: Any, name: str) -> None:
    """Unless another one is named; then it is said that the worker has not read it."""
    home = system.settings.home
    function = "\n\n@task\ndef f_{}(payload):\n    return payload\n"
    for folder in ("its", "mine"):
        (tmp_path / folder).mkdir()
        text = f"from headrace import task{function.format(name.replace('-', '_') + folder)}"
        (tmp_path / folder / "one.py").write_text(text)
    with only_one(home, tmp_path / "its"):
        unnamed = system.run("load").stdout
        assert unnamed.startswith(f"Loaded from {tmp_path}/its: ")
        named = system.run("load", HEADRACE_PIPELINES_DIR=str(tmp_path / "mine")).stdout
        given = system.run("load", str(tmp_path / "mine")).stdout
        (tmp_path / "link").symlink_to(tmp_path / "its")
        same = [system.run("load", str(tmp_path / one)).stdout for one in ("link", "mine/../its")]
    for said in (named, given):
        assert said.startswith(f"Loaded from {tmp_path}/mine: ")
        assert f"The worker here reads {tmp_path}/its and knows no function of {tmp_path}/mine" in said
    assert not [said for said in (unnamed, *same) if "The worker here reads" in said]


def test_a_folder_that_defines_nothing_is_a_failure(system: Any, tmp_path: Any) -> None:
    """It is named, as is the folder of a file that was named in its place."""
    done = system.run("load", str(tmp_path))
    assert (done.returncode, f"no *.py file in {tmp_path} defines a task" in done.stderr) == (1, True)
    (tmp_path / "one.py").write_text("")
    wrong = system.run("load", str(tmp_path / "one.py"))
    assert (wrong.returncode, f"name its folder, {tmp_path}" in wrong.stderr) == (2, True)


def test_an_upstream_task_that_nobody_knows_is_warned_of(system: Any, client: Client, tmp_path: Any, name: str) -> None:
    """Once, by a task that waits for two of its runs; what the folder or the system knows is no matter.

    It may come later, so the task is accepted.
    """
    name = name.replace("-", "_")
    client.create_task(ExternalTask(id=f"kept-{name}"))
    known = (
        f"from headrace import task\nfrom pipelines.model import UpstreamRef\n\n@task\ndef load_{name}():\n    pass\n\n"
    )
    upstream = f"['load_{name}', 'kept-{name}', 'lead_{name}', UpstreamRef(task='lead_{name}', run='monday')]"
    (tmp_path / "one.py").write_text(f"{known}@task(upstream={upstream})\ndef sum_{name}():\n    pass\n")
    done = system.run("load", str(tmp_path))
    [line] = [one for one in done.stdout.splitlines() if one.startswith("Warning: ")]
    why = f"task 'sum_{name}' waits for 'lead_{name}', and there is no such task yet; did you mean load_{name}?"
    assert (done.returncode, line) == (0, f"Warning: {tmp_path}/one.py:8: {why}")


def test_an_upstream_task_that_nobody_knows_is_warned_of_in_orders(system: Any, client: Client, name: str) -> None:
    """Of what is created or submitted as well; what was executed in that run is known, though it is not kept."""
    client.submit(ExternalTask(id=name), run="r")
    task = {"id": f"{name}-b", "kind": "external", "upstream": [f"{name}-none"]}
    say = f"Warning: task '{name}-b' waits for '{name}-none', and there is no such task yet"
    words = ["submit", "external", "--id", f"{name}-b", "--run", "r"]
    for done in (
        system.run("create", "-", stdin=json.dumps(task)),
        system.run("submit", "--file", "-", stdin=json.dumps({"type": "submit", "task": task, "run": "s"})),
        system.run(*words, "--upstream", f"{name}-none"),
    ):
        assert (done.returncode, say in " ".join(done.stderr.split()), "Warning" in done.stdout) == (0, True, False)
    assert "Warning" not in system.run(*words[:3], f"{name}-c", *words[4:], "--upstream", name).stderr


def test_what_was_only_executed_is_unknown_to_a_definition(system: Any, client: Client, name: str) -> None:
    """Nobody knows in which run it will be executed."""
    client.submit(ExternalTask(id=name))
    task = {"id": f"{name}-b", "kind": "external", "upstream": [name]}
    done = system.run("create", "-", stdin=json.dumps(task))
    assert (done.stdout, f"waits for '{name}'" in done.stderr) == (f"{name}-b\n", True)


class Counting(Client):
    """A client that counts what it asks."""

    asked = 0

    def _ask(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return super()._ask(*args, **kwargs)


def test_few_questions_are_asked_about_many_upstream_tasks(system: Any, name: str) -> None:
    """Each name once, and only the first ones run by run."""
    task = ExternalTask(id=name, upstream=(f"{name}-none",))
    with Counting(system.settings.edge_url, system.token) as client:
        [(waiting, _)] = unknown_upstreams(client, [(task, f"r{number}") for number in range(5 * LOOKS)])
        assert (waiting, client.asked <= LOOKS + 3) == (name, True)


def test_a_task_with_upstream_tasks_wants_a_run(system: Any, client: Client, name: str) -> None:
    """Wrong usage, with the option to give; nothing is recorded."""
    client.create_task(ExternalTask(id=name, upstream=("u", UpstreamRef(task="other", run="monday"))))
    done = system.run("execute", name)
    assert done.returncode == 2
    assert f"task '{name}' waits for u: name the run in which they are executed, by --run" in done.stderr
    assert [one for one in client.dead_letters() if name in one.reason] == []
    assert system.run("execute", name, "--run", name).returncode == 0


def test_a_list_without_rows_says_that_there_is_no_such_task(system: Any, client: Client, name: str) -> None:
    """With the one that was probably meant; a task that was never executed is none of this."""
    client.create_task(ExternalTask(id=name))
    until_kept(client, name)
    done = system.run("list", "--task", f"{name}x")
    assert done.returncode == 0
    assert f"no task '{name}x'; did you mean {name}?" in done.stderr
    assert "no task" not in system.run("list", "--task", name).stderr


def test_a_name_in_a_filter_that_nobody_knows_is_said(system: Any, client: Client, name: str) -> None:
    """Of a pipeline and of a run too, by what looks and by what orders; a kind that is none is wrong usage."""
    client.create_pipeline(PipelineModel(id=name, tasks=(ExternalTask(id=f"{name}.a"),)))
    until_kept(client, f"{name}.a")
    for words in (["list"], ["cancel", "-y"], ["retry", "-y"], ["tasks"]):
        done = system.run(*words, "--pipeline", f"{name}x")
        assert (done.returncode, f"no pipeline '{name}x'; did you mean {name}?" in done.stderr) == (0, True), words
    assert f"no run '{name}'" in system.run("list", "--run", name).stderr
    assert "no pipeline" not in system.run("list", "--pipeline", name).stderr
    for words in (["list"], ["cancel", "-y"]):
        done = system.run(*words, "--kind", "shel")
        assert (done.returncode, 'Did you mean "shell"?' in done.stderr) == (2, True)


def test_what_a_pipelines_order_answers_is_an_object(system: Any, client: Client, name: str) -> None:
    """As a task's is."""
    client.create_pipeline(PipelineModel(id=name, tasks=tuple(ExternalTask(id=f"{name}.{one}") for one in "ab")))
    done = system.run("execute", name, "-o", "json")
    assert len(json.loads(done.stdout)["executions"]) == 2


def test_loading_says_that_running_workers_have_read_their_folder(system: Any, client: Client, tmp_path: Any) -> None:
    """Functions that are new to them would fail there; with no worker there is nothing to say."""
    (tmp_path / "one.py").write_text(
        "from headrace import task\n\n@task\ndef greet_late(payload):\n    return payload\n"
    )
    assert "restart them" not in system.run("load", str(tmp_path)).stdout
    word = {"pool": "played", "at": round(time.time() * 1000), "workers": [{"worker": "w"}]}
    with contextlib.closing(KafkaProducer(bootstrap_servers=system.settings.kafka)) as producer:
        producer.send(system.topics.status, json.dumps(word).encode(), b"pool/played", partition=0).get(30)
        deadline = time.monotonic() + 30
        while not client.workers() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "restart them" in system.run("load", str(tmp_path)).stdout
        producer.send(system.topics.status, None, b"pool/played", partition=0).get(30)


def test_an_executions_life(system: Any, name: str) -> None:
    """Submit prints the id alone; show, list and logs know it by its end; finish and retry do what they say."""
    done = system.run("submit", "external", "--id", name, "--payload", '{"a": [1]}', "--priority", "9")
    assert done.returncode == 0
    execution = done.stdout.strip()
    assert execution == to_text(execution_id(name, ""))

    shown = system.run("show", execution[-12:])
    assert shown.returncode == 0
    assert name in shown.stdout
    assert "waits for a `finish` event" in shown.stdout

    finished = system.run("finish", execution, "--outcome", "failed", "--error", "no \x1b[31mluck")
    assert finished.returncode == 0
    shown = system.run("show", execution)
    assert "failed" in shown.stdout
    assert "luck" in shown.stdout
    assert "\x1b[31m" not in shown.stdout
    logs = system.run("logs", execution)
    assert (logs.returncode, logs.stdout) == (0, "")
    assert "luck" in logs.stderr

    new = to_text(execution_id(name, "", 1))
    retried = system.run("retry", execution, "-o", "json")
    assert json.loads(retried.stdout)["execution"] == new
    again = system.run("retry", execution)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"it was retried already, as {new}: look at that one with `headrace show {new}`" in again.stderr
    assert system.run("cancel", new, "--reason", "enough").returncode == 0


def test_what_is_not_there_leaves_no_dead_letter(system: Any, client: Client, name: str) -> None:
    """The command line asks before it orders: a slip of the keyboard is answered and nowhere recorded."""
    nobody = to_text(execution_id(name, "nowhere"))
    for words in (
        ["cancel", nobody],
        ["retry", nobody],
        ["finish", nobody],
        ["execute", name],
        ["execute", "--pipeline", name],
        ["delete", name],
    ):
        done = system.run(*words)
        assert (done.returncode, done.stdout) == (3, ""), words
        assert words[-1] in done.stderr
    assert [one for one in client.dead_letters() if nobody in one.first_bytes or name in one.first_bytes] == []


def test_sql_errors_are_one_readable_line(system: Any) -> None:
    """The error's name and ClickHouse's sentence, what names there are, and how to say that it writes."""
    for statement, said in {
        "SELECT 1 FROM (": "Syntax error",
        "SELECT stat FROM executions": "UNKNOWN_IDENTIFIER); the views are attempts, events, executions,",
        "SELECT * FROM nowhere": "UNKNOWN_TABLE); the views are attempts, events, executions,",
        "DROP TABLE mine": "say that it writes (writes: true; on the command line --writes)",
    }.items():
        done = system.run("sql", statement)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert said in done.stderr
        assert "DB::Exception" not in done.stderr
        assert "In scope" not in done.stderr
        assert "Expected one of" not in done.stderr


def test_a_program_is_told_that_an_answer_is_cut(system: Any) -> None:
    """Beside the document that says so too: whoever reads its rows alone would take the others for missing."""
    done = system.run("sql", "SELECT number FROM numbers(10001)", "-o", "json")
    answer = json.loads(done.stdout)
    assert (len(answer["rows"]), answer["cut"]) == (10_000, True)
    assert done.stderr == "only the first 10,000 rows: an answer has no more\n"
    assert system.run("sql", "SELECT 1", "-o", "json").stderr == ""


def test_rows_that_are_wider_than_the_terminal_stand_upright(system: Any) -> None:
    """A line a value, without columns that are empty in every row; what fits is a line a row."""
    question = "SELECT number AS n, repeat('wide ', 12) AS a, repeat('long ', 12) AS b, '' AS c FROM numbers(2)"
    lines = system.run("sql", question, COLUMNS="80").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        *(["row", "1"], ["n", "0"], ["a", "wide"], ["b", "long"]),
        *(["row", "2"], ["n", "1"], ["a", "wide"], ["b", "long"]),
    ]
    assert len(system.run("sql", question, COLUMNS="200").stdout.splitlines()) == 3


def test_a_long_value_is_cut_for_people(system: Any) -> None:
    """It ends with a mark, and the last line says how to have all of it; a program has it anyway."""
    question = "SELECT repeat('long ', 1000) AS a, 1 AS b"
    done = system.run("sql", question, COLUMNS="80")
    assert len(done.stdout.splitlines()) < 8
    assert "…" in done.stdout
    assert "what ends with … is cut, all of it: -o json" in done.stderr
    assert "long " * 1000 in system.run("sql", question, "-o", "json").stdout


def test_a_dead_letter_tells_its_whole_reason(system: Any, client: Client, name: str) -> None:
    """However long it is and narrow the terminal."""
    with pytest.raises(ApiError) as refused:
        client.execute(f"{name}{'-long' * 20}")
    letters = system.run("dead-letters", COLUMNS="80").stdout
    assert max(map(len, letters.splitlines())) <= 80
    assert "".join(str(refused.value).split()) in "".join(letters.split())
    assert "what" not in letters.splitlines()[0]
    wide = system.run("dead-letters", COLUMNS="1000").stdout
    assert "what" in wide.splitlines()[0]
    assert f"execute {name}{'-long' * 20} in run " in wide


def test_what_is_no_kind_is_told_the_kinds(system: Any) -> None:
    """The line names all that there are."""
    assert (
        "'nosuch' is no kind of task: function, python, shell, sql, http" in system.run("submit", "nosuch", "x").stderr
    )


def test_what_is_kept_is_listed(system: Any, client: Client, name: str) -> None:
    """Tasks by pages, pipelines whole; as JSON what the API says, as a table within a narrow terminal."""
    text = "long words " * 20
    tasks = [{"id": f"{name}.{n}", "kind": "external", "description": text} for n in "abc"]
    system.run("create", "-", stdin=json.dumps({"id": name, "tasks": tasks}))
    page = ["tasks", "--pipeline", name, "--limit", "2"]
    deadline = time.monotonic() + 30
    while len(client.tasks(pipeline=name)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    first, rest = (system.run(*page, *more, "-o", "json") for more in ((), ("--after", f"{name}.b")))
    assert [one["task"] for one in json.loads(first.stdout) + json.loads(rest.stdout)] == [t["id"] for t in tasks]
    shown = system.run(*page, COLUMNS="80")
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == [f"{name}.a", f"{name}.b"]
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert f"--after {name}.b" in shown.stderr
    assert name in system.run("pipelines").stdout


def test_orders_that_cannot_be_leave_no_dead_letter(client: Client, name: str) -> None:
    """Who asks for what the standing of an execution forbids is told why, and that is all."""
    ended = client.submit(SleepTask(id=name, seconds=timedelta(0))).execution or ""
    running = client.submit(ExternalTask(id=f"{name}-x")).execution or ""
    for order, why in (
        (lambda: client.cancel(ended), "has succeeded already"),
        (lambda: client.finish(ended), "only external executions"),
        (lambda: client.retry(running), "only what has ended"),
    ):
        with pytest.raises(ApiError, match=why) as refused:
            order()
        assert refused.value.status == 409
    assert [one for one in client.dead_letters() if one.execution in {ended, running}] == []


def test_a_list_fits_a_narrow_terminal(system: Any, client: Client, name: str) -> None:
    """Eighty columns are enough for whole ids, whatever the names; the order of the rows is told."""
    done = system.run("submit", "external", "--id", f"{name}-{'long' * 20}", "--run", "r" * 60, "--max-latency", "60")
    until(client, ExecutionFilter(text=name), 1)
    listed = system.run("list", "--text", name, COLUMNS="80")
    assert done.stdout.strip()[-12:] in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80
    header, *rows = listed.stdout.splitlines()
    column = slice(header.index("task"), header.index("prio"))
    assert "".join(row[column].strip() for row in rows) == f"{name}-{'long' * 20}", "folded, not cut"
    assert "1 of 1, the last created first; a wider terminal shows run, pool, changed too" in listed.stderr
    system.run("submit", "external", "--id", f"{name}-2")
    until(client, ExecutionFilter(text=name), 2)
    first = system.run("list", "--text", name, "--limit", "1").stderr.splitlines()
    assert first[0] == "1 of 2, the last created first"
    assert first[1] == "more: --page 2"
    last = system.run("list", "--text", name, "--limit", "1", "--page", "2")
    assert (done.stdout.strip()[-12:] in last.stdout, "more" in last.stderr) == (True, False)
    beyond = system.run("list", "--text", name, "--limit", "1", "--page", "4")
    assert (beyond.returncode, "there is no page 4: page 2 is the last one" in beyond.stderr) == (2, True)
    cursor = json.loads(system.run("list", "--text", name, "--limit", "1", "-o", "json").stdout)["next"]
    assert done.stdout.strip()[-12:] in system.run("list", "--text", name, "--limit", "1", "--cursor", cursor).stdout
    system.run("submit", "external", "--id", f"{name}-3")
    until(client, ExecutionFilter(text=name), 3)
    behind = json.loads(system.run("list", "--text", name, "--limit", "1", "-o", "json").stdout)["next"]
    second = system.run("list", "--text", name, "--limit", "1", "--cursor", behind).stderr
    assert "--page" not in second, "it would count from the top"
    goes_on = second.partition("more: ")[2].split()
    assert done.stdout.strip()[-12:] in system.run("list", "--text", name, "--limit", "1", *goes_on).stdout
    both = system.run("list", "--cursor", cursor, "--page", "2")
    assert (both.returncode, "give one of them" in both.stderr) == (2, True)
    listed = system.run("list", "--text", name, "--order", "waited")
    assert "the longest wait first" in listed.stderr


def test_a_name_of_something_else_is_explained(system: Any, client: Client, name: str) -> None:
    """Who gives a task or a run where an execution's id belongs is told how to list its executions."""
    system.run("submit", "external", "--id", name, "--run", f"{name}-r")
    until(client, ExecutionFilter(task=name), 1)
    for what, given in (("task", name), ("run", f"{name}-r")):
        for verb in ("show", "logs", "cancel", "retry"):
            done = system.run(verb, given)
            assert done.returncode == 3
            assert f"list --{what} {given}" in done.stderr


def test_a_name_that_is_nearly_right_is_offered(system: Any, client: Client, name: str) -> None:
    """Who mistypes a task's name is told the one that there is, once the history has it."""
    system.run("create", "-", stdin=json.dumps({"id": name, "kind": "external"}))
    until_kept(client, name)
    done = system.run("execute", f"{name}x")
    assert done.returncode == 3
    assert f"did you mean {name}?" in done.stderr


def test_a_pipeline_is_deleted_with_its_tasks(system: Any, client: Client, name: str) -> None:
    """Once somebody has said yes; its name alone, where a task's belongs, is told how, and again finds nothing."""
    client.create_pipeline(PipelineModel(id=name, tasks=tuple(ExternalTask(id=f"{name}.{one}") for one in "ab")))
    deadline = time.monotonic() + 30
    while name not in {one.pipeline for one in client.pipelines()} and time.monotonic() < deadline:
        time.sleep(0.1)
    said = system.run("delete", name)
    assert (said.returncode, f"{name} is a pipeline: `headrace delete --pipeline {name}`" in said.stderr) == (3, True)
    assert f"did you mean {name}?" not in system.run("delete", f"{name}x").stderr
    unasked = system.run("delete", "--pipeline", name)
    assert unasked.returncode == 2
    assert f"Delete {name} with its 2 tasks? Say --yes" in unasked.stderr
    ordered = system.run("delete", "--pipeline", name, "--yes").stderr
    assert f"ordered the deletion of 2 tasks of {name}; what of it cannot be carried out is told by" in ordered
    while name in {one.pipeline for one in client.pipelines()} and time.monotonic() < deadline:
        time.sleep(0.1)
    for words in (["--pipeline", name, "--yes"], [f"{name}.a"]):
        gone = system.run("delete", *words)
        assert (gone.returncode, "headrace: no " in gone.stderr) == (3, True)
    assert [one for one in client.dead_letters() if name in one.reason] == []


def test_a_task_is_deleted(system: Any, client: Client, name: str) -> None:
    """The scheduler has decided when the command ends."""
    client.create_task(ExternalTask(id=name))
    until_kept(client, name)
    said = system.run("delete", name).stderr
    assert said == f"deleted {name}\n"


def test_a_submitted_task_is_not_kept(system: Any, client: Client, name: str) -> None:
    """Executing it is refused with what to do; nothing is listed as a task, and no dead letter is left."""
    system.run("submit", "external", "--id", name)
    until(client, ExecutionFilter(task=name), 1)
    done = system.run("execute", name)
    assert done.returncode == 3
    assert "create it first (`headrace create FILE`)" in done.stderr
    assert "a submitted task runs once" in done.stderr
    assert [one for one in client.dead_letters() if name in one.first_bytes] == []
    with pytest.raises(ApiError):
        client.task(name)


def test_what_ended_is_retried_though_its_task_is_gone(client: Client, name: str) -> None:
    """An execution carries its own copy of its task."""
    client.create_task(ExternalTask(id=name))
    execution = client.execute(name, run="r").execution or ""
    client.finish(execution, outcome="failed")
    client.delete_task(name)
    again = client.retry(execution)
    assert client.execution(again.execution or "").state == "running"


def test_with_nothing_running_it_is_said_what_to_start(system: Any, tmp_path: Any) -> None:
    """The line names the commands as the person types them."""
    for env in ({"HEADRACE_EDGE_URL": "http://127.0.0.1:9"}, {"HEADRACE_HOME": str(tmp_path)}):
        said = system.run("list", HEADRACE_COMMAND="./dev headrace", **env).stderr
        assert "start Headrace with `./dev up`, or the API alone with `./dev headrace edge`" in said


def test_json_output_is_json_alone(system: Any, name: str) -> None:
    """With -o json every command prints one document, and nothing else on standard output."""
    system.run("submit", "external", "--id", name)
    execution = to_text(execution_id(name, ""))
    commands = [
        ["list"],
        ["show", execution],
        ["queues"],
        ["workers"],
        ["tasks"],
        ["pipelines"],
        ["dead-letters"],
        ["sql", "SELECT 1 AS one"],
    ]
    for words in commands:
        done = system.run(*words, "-o", "json")
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)


def test_waiting_tells_the_outcome(system: Any) -> None:
    """--wait ends with the execution: 0 for a success, 1 for anything else."""
    options = ["--trigger", "all_done", "--delivery", "at_most_once"]
    done = system.run("submit", "sleep", "0.1", *options, "--wait", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["state"] == "succeeded"
    failed = system.run("submit", "external", "--timeout", "0.2", "--wait")
    assert failed.returncode == 1
    assert "timeout" in failed.stderr


def test_what_was_there_before_is_told(system: Any, name: str) -> None:
    """The same task in the same run executes nothing: that is said, with how to execute it anew, and is no failure."""
    words = ["submit", "sleep", "0", "--id", name]
    assert json.loads(system.run(*words, "--wait", "-o", "json").stdout)["existing"] is False
    again = system.run(*words, "--wait")
    assert (again.returncode, again.stderr.count("nothing was executed")) == (0, 1)
    assert f"`headrace retry {to_text(execution_id(name, ''))[-12:]}`" in again.stderr
    assert json.loads(system.run(*words, "--wait", "-o", "json").stdout)["existing"] is True
    assert json.loads(system.run(*words, "-o", "json").stdout)["existing"] is True
    task = {"id": name, "kind": "sleep", "seconds": 0}
    assert "was there before" in system.run("submit", "--file", "-", "--wait", stdin=json.dumps(task)).stderr


def test_a_pipeline_that_fails_says_which_task_and_why(system: Any, client: Client, name: str) -> None:
    """With --wait the error stands below the task that has it."""
    client.create_pipeline(
        PipelineModel(id=name, tasks=(ExternalTask(id=f"{name}.a", timeout=timedelta(seconds=0.2)),))
    )
    done = system.run("execute", name, "--wait")
    assert done.returncode == 1
    failed, why = done.stderr.splitlines()[-2:]
    assert (f"{name}.a" in failed, "timeout" in why) == (True, True)


def test_files_are_submitted_and_created(system: Any, name: str) -> None:
    """A file holds a task, a pipeline, or a list of tasks and events; `-` is standard input."""
    pipeline = {"id": name, "tasks": [{"id": f"{name}.a", "kind": "sleep", "seconds": 0}]}
    created = system.run("create", "-", stdin=json.dumps(pipeline))
    assert created.stdout.strip() == name
    run = system.run("execute", "--pipeline", name, "--run", "r", "--wait", "-o", "json")
    assert run.returncode == 0, run.stderr
    assert [view["state"] for view in json.loads(run.stdout)] == ["succeeded"]

    refused = system.run("submit", "--file", "-", stdin=json.dumps(pipeline))
    assert (refused.returncode, f"'{name}' is a pipeline, and only tasks" in refused.stderr) == (2, True)

    task = {"id": f"{name}-one", "kind": "sleep", "seconds": 0}
    event = {"type": "execute", "task": f"{name}.a", "run": "r"}
    sent = system.run("submit", "--file", "-", "--wait", "-o", "json", stdin=json.dumps([task, event]))
    assert sent.returncode == 0, sent.stderr
    assert [view["task"] for view in json.loads(sent.stdout)] == [f"{name}-one", f"{name}.a"]


def test_an_event_that_cannot_be_carried_out_becomes_a_dead_letter(system: Any, client: Client, name: str) -> None:
    """The command line says where it would be told; what is no event is refused at once and leaves none."""
    event = {"type": "execute", "task": name, "run": "r"}
    wrong = system.run("submit", "--file", "-", stdin=json.dumps(event | {"rum": "r"}))
    assert (wrong.returncode, "rum: there is no such field" in wrong.stderr) == (2, True)
    assert [one for one in client.dead_letters() if name in one.reason] == []
    sent = system.run("submit", "--file", "-", stdin=json.dumps(event))
    assert (sent.returncode, "cannot be carried out is told by `headrace dead-letters`" in sent.stderr) == (0, True)
    deadline = time.monotonic() + 30
    while not (told := [one for one in client.dead_letters() if name in one.reason]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(told) == 1
    task = {"id": name, "kind": "external"}
    assert "dead-letters" not in system.run("submit", "--file", "-", stdin=json.dumps(task)).stderr


def test_a_name_means_a_task_or_else_a_pipeline(system: Any, client: Client, name: str) -> None:
    """`execute NAME` runs the pipeline of that name without a dead letter, and the task once there is one."""
    client.create_pipeline(PipelineModel(id=name, tasks=(ExternalTask(id=f"{name}.a"),)))
    assert system.run("execute", name, "--run", "r").stdout.strip() == "r"
    assert client.execution(to_text(execution_id(f"{name}.a", "r"))).state == "running"
    assert [letter.reason for letter in client.dead_letters() if name in letter.reason] == []

    client.create_task(ExternalTask(id=name))
    assert system.run("execute", name, "--run", "r").stdout.strip() == to_text(execution_id(name, "r"))
    assert system.run("execute", "--pipeline", name, "--run", "s").stdout.strip() == "s"

    client.delete_task(name)
    assert system.run("execute", name, "--run", "t").stdout.strip() == "t"
    assert system.run("execute", name, "--pipeline", name).returncode == 2


def test_many_are_cancelled_by_filter(system: Any, client: Client, name: str) -> None:
    """A filter acts on all that match once somebody has said yes."""
    which = ["--pipeline", name, "--state", "running"]
    for number in range(2):
        client.submit(ExternalTask(id=f"{name}.{number}"))
    until(client, ExecutionFilter(pipeline=name), 2)
    unasked = system.run("cancel", *which)
    assert (unasked.returncode, "Say --yes" in unasked.stderr) == (2, True)
    done = system.run("cancel", *which, "--yes", "-o", "json")
    assert json.loads(done.stdout)["accepted"] == 2


def test_a_filter_means_what_can_be_changed(system: Any, client: Client, name: str) -> None:
    """`cancel` counts and stops what has not ended, `retry` what has; of nothing nobody is asked."""
    for number in range(3):
        client.submit(ExternalTask(id=f"{name}.{number}"))
    client.finish(to_text(execution_id(f"{name}.0", "")))
    until(client, ExecutionFilter(pipeline=name, state=("succeeded",)), 1)
    assert "Cancel 2 executions?" in system.run("cancel", "--pipeline", name).stderr
    assert "Retry 1 execution?" in system.run("retry", "--pipeline", name).stderr
    for which in (["--task", "nosuch"], ["--pipeline", name, "--state", "succeeded"]):
        nothing = system.run("cancel", *which)
        assert (nothing.returncode, "no execution that has not ended matches" in nothing.stderr) == (0, True)
    assert "no task 'nosuch'" in system.run("cancel", "--task", "nosuch").stderr
    assert "no task 'nosuch'" not in system.run("cancel", "--task", "nosuch", "-o", "json").stderr
    done = system.run("cancel", "--pipeline", name, "--yes", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["accepted"]) == (0, 2)
    every = BulkRequest(filter=ExecutionFilter(pipeline=name), expected=3)
    assert client.cancel_many(every).refused == ()


def test_what_was_retried_already_is_counted(system: Any, client: Client, name: str) -> None:
    """By a filter that is no failure; who names it hears that nothing was done."""
    made = [client.submit(ExternalTask(id=f"{name}.{n}")).execution or "" for n in range(2)]
    for one in made:
        client.finish(one, outcome="failed")
    client.retry(made[0])
    by_ids = system.run("retry", *made)
    assert (by_ids.returncode, "1 execution left alone, 1 taken on" in by_ids.stderr) == (1, True)
    assert f"{made[0]}: it was retried already, as " in by_ids.stderr
    until(client, ExecutionFilter(pipeline=name, state=("failed",)), 2)
    by_filter = system.run("retry", "--pipeline", name, "--state", "failed", "--yes")
    assert (by_filter.returncode, "2 executions left alone, 0 taken on" in by_filter.stderr) == (0, True)
