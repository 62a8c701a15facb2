"""`--wait` on files: what was refused is said, what was made is followed, and nobody waits longer than needed."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pipelines.model import ExternalTask, PipelineModel, SleepTask
from pipelines.requests import ExecutionFilter
from pipelines.views import Accepted
from tests.integration.edge.listing import until
from ui.cli import waiting
from ui.cli.common import PLAIN
from ui.client import Client


def nap(name: str, seconds: float = 0) -> dict[str, Any]:
    """A task that ends by itself, and needs no worker."""
    return {"id": name, "kind": "sleep", "seconds": seconds}


def waited(system: Any, *events: dict[str, Any]) -> Any:
    """How the command ended that sent these and waited."""
    return system.run("submit", "--file", "-", "--wait", stdin=json.dumps(events))


def test_what_was_refused_is_said_at_once(system: Any, name: str) -> None:
    """Whoever waits hears it before the others end, why, and that it is no success; JSON has what there is."""
    events = [
        nap(name, 1),
        {"type": "execute", "task": f"{name}-none", "run": "r"},
        {"type": "delete", "task": f"{name}-none"},
    ]
    done = waited(system, *events)
    told, refused, ended = done.stderr.splitlines()
    assert (done.returncode, told.startswith("sent; what of it cannot be carried out")) == (1, True)
    assert refused == f"✕ refused  task '{name}-none' does not exist: create it first, or submit it whole"
    assert ended.startswith("✓ succeeded")
    done = system.run("submit", "--file", "-", "--wait", "-o", "json", stdin=json.dumps(events))
    assert (done.returncode, [one["task"] for one in json.loads(done.stdout)]) == (1, [name])


def test_a_retry_that_was_refused_is_said(system: Any, client: Client, name: str) -> None:
    """By the execution that was to be retried, known or not; a later one, which is taken on, is not taken for it."""
    client.submit(SleepTask(id=name, seconds=3))
    retry = {"type": "retry", "task": name}
    done = waited(system, retry, {"type": "retry", "task": f"{name}-none"}, nap(f"{name}-other"))
    _, running, unknown, ended = done.stderr.splitlines()
    assert running.startswith(f"✕ refused  '{name}' in the run without a name is running")
    assert unknown.startswith(f"✕ refused  no execution of '{name}-none'")
    assert (done.returncode, ended.startswith("✓ succeeded")) == (1, True)
    until(client, ExecutionFilter(task=name, state=("succeeded",)), 1)
    again = waited(system, retry)
    assert (again.returncode, again.stderr.count("✕"), again.stderr.count("✓ succeeded")) == (0, 0, 1)


def test_a_run_of_a_pipeline_that_was_refused_is_said(system: Any, client: Client, name: str) -> None:
    """Once, though it has many tasks, and of this run alone; the others of the file are told as ever."""
    tasks = tuple(SleepTask(id=f"{name}.{n}", seconds=0) for n in range(2))
    client.create_pipeline(PipelineModel(id=name, tasks=tasks))
    client.delete_task(tasks[0].id)
    run = {"type": "execute", "pipeline": name, "run": "r"}
    again = {"type": "create", "pipeline": {"id": name, "tasks": [nap(f"{name}.{n}") for n in range(2)]}}
    done = waited(system, run, again, run | {"run": "s"}, nap(f"{name}-other"))
    assert done.returncode == 1
    assert done.stderr.count(f"✕ refused  pipeline '{name}' cannot run without its task '{name}.0'") == 1
    assert done.stderr.count("✓ succeeded") == 3


def test_a_pipeline_that_comes_in_the_same_file_is_waited_for(system: Any, name: str) -> None:
    """Its tasks are unknown when it is ordered, in a run that has a name or in the one without; it is no definition."""
    pipeline = {"type": "create", "pipeline": {"id": name, "tasks": [nap(f"{name}.a")]}}
    done = waited(system, pipeline, *({"type": "execute", "pipeline": name, "run": run} for run in ("", "r")))
    assert (done.returncode, done.stderr.count("✓ succeeded")) == (0, 2)


def test_what_is_not_seen_fails_alone(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The outcomes of the others are told, and where to look for it."""
    monkeypatch.setattr(waiting, "VISIBLE_WITHIN", 0.5)
    now, nowhere = datetime.now(UTC), str(uuid4())
    lost = Accepted(execution=nowhere, created_at=now, ordered_at=now)
    with pytest.raises(SystemExit) as end:
        waiting.follow_all(client, [lost, client.submit(SleepTask(id=name, seconds=0))], PLAIN)
    said = capsys.readouterr().err
    assert (end.value.code, f"✕ unknown  nothing is seen of {nowhere}" in said, "✓ succeeded" in said) == (
        1,
        True,
        True,
    )


def test_what_has_ended_meanwhile_is_not_paused_for(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of ten that end together the first is waited for, and the others are looked at."""
    pause = 2.0
    monkeypatch.setattr(waiting, "FIRST_PAUSE", pause)
    accepted = [client.submit(SleepTask(id=f"{name}-{number}", seconds=3)) for number in range(10)]
    began = time.monotonic()
    waiting.follow_all(client, accepted, PLAIN)
    assert capsys.readouterr().err.count("✓ succeeded") == 10
    assert time.monotonic() - began < 5 * pause


def test_the_result_of_a_single_one_is_printed(system: Any, client: Client, name: str) -> None:
    """As `submit KIND --wait` does it; beside others, though they were refused, nobody would know whose it is."""
    task = {"id": name, "kind": "external"}
    made = client.submit(ExternalTask(id=name))
    client.finish(made.execution or "", result={"rows": 7})
    assert json.loads(waited(system, task).stdout) == {"rows": 7}
    assert waited(system, task, {"type": "execute", "task": f"{name}-none"}).stdout == ""


def test_what_was_skipped_is_no_failure(system: Any, client: Client, name: str) -> None:
    """Neither in a run of several, whose ends are counted, nor where it is waited for alone."""
    first = SleepTask(id=f"{name}.first", seconds=0)
    other = SleepTask(id=f"{name}.other", seconds=0, upstream=(first.id,), trigger="all_failed")
    client.create_pipeline(PipelineModel(id=name, tasks=(first, other)))
    done = system.run("execute", name, "--run", "r", "--wait")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "1 succeeded, 1 skipped")
    again = waited(system, {"type": "execute", "task": other.id, "run": "r"})
    assert (again.returncode, again.stderr.count("⤼ skipped")) == (0, 1)


def test_who_waits_for_long_hears_why(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, by the hardest cause."""
    monkeypatch.setattr(waiting, "HINT_AFTER", 0.3)
    due = datetime.now(UTC) + timedelta(seconds=2)
    waiting.follow(client, client.submit(SleepTask(id=name, seconds=0), at=due), PLAIN)
    assert capsys.readouterr().err.count(f"{name}: due ") == 1
