import os
import socket
from datetime import UTC, datetime, timedelta
from errno import ECONNREFUSED
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.loader import load_folder
from pipelines.views import ExecutionRow, HealthView, RoleView
from streams.local.cluster import EXAMPLES
from streams.local.doctor import Check, Report, _edge, _roles, picture
from streams.local.ports import free_ports
from streams.local.screen import Screen
from streams.settings import Settings

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


def test_what_doctor_says_to_mend_stands_below_what_it_found() -> None:
    """So that both fit into 80 columns."""
    console = drawn()
    found = "4.3.1 in /home/somebody/.cache/headrace, checksums right"
    console.print(picture(Report(ok=False, checks=(Check(name="kafka jars", status="warn", detail=found, mend="do"),))))
    lines = [line.strip() for line in text(console).splitlines()]
    assert lines[1:] == [f"! warn  kafka jars  {found}", "→ do"]


def test_where_lines_cannot_change_a_second_try_is_said_too() -> None:
    """The state between two tries may have come and gone unseen."""
    console = Console(file=StringIO(), width=80)
    screen, pipeline = Screen(console), load_folder(EXAMPLES).pipelines["weather"].model()
    screen.follow(pipeline, "r")
    screen.show({task.id: a_try(task.id) for task in pipeline.tasks})
    assert text(console).count(": succeeded, try 2\n") == len(pipeline.tasks)


def test_lines_come_in_the_order_in_which_things_happened() -> None:
    """Who waits for another one is not said to run before that has ended."""
    console = Console(file=StringIO(), width=80)
    screen, pipeline = Screen(console), load_folder(EXAMPLES).pipelines["weather"].model()
    screen.follow(pipeline, "r")
    first, last = pipeline.tasks[-1].id, pipeline.tasks[0].id
    later = {"started_at": NOW + timedelta(minutes=2), "finished_at": None, "state": "running", "attempt": 1}
    screen.show({first: a_try(first), last: a_try(last).model_copy(update=later)})
    said = text(console)
    assert said.index(f"{first}: succeeded") < said.index(f"{last}: running")


GONE = 2**22 + 1
"""A number that no process has: Linux counts to 2^22."""


@pytest.mark.parametrize(
    ("there", "silent_ms", "status", "words"),
    [
        ([True], 900, "ok", f"on {socket.gethostname()}"),
        ([True], 5_000, "fail", "silent for 5 s"),
        ([False], 900, "warn", "has ended; its last word is 1 s old"),
        ([False], 12_000, "fail", "has ended; its last word is 12 s old"),
        ([True, False], 900, "ok", f"on {socket.gethostname()}"),
    ],
)
def test_doctor_knows_a_process_that_has_ended_at_once(
    there: list[bool], silent_ms: int, status: str, words: str
) -> None:
    """On its own machine, and not when its silence has become long; another one of its kind is as good."""
    roles = [
        RoleView(role="edge", name="edge", host=socket.gethostname(), pid=pid, alive=True, silent_ms=silent)
        for pid, silent in zip([os.getpid() if one else GONE for one in there], (silent_ms, 1), strict=False)
    ]
    health = HealthView(status="ok", version="1", at=NOW, roles=tuple(roles))
    check = next(check for check in _roles(health) if check.name == "edge")
    assert (check.status, words in check.detail) == (status, True)
    assert bool(check.mend) is (status != "ok")


def test_doctor_says_why_the_api_does_not_answer_and_once_what_to_do(tmp_path: Path) -> None:
    """The client's own advice is left to the line below."""
    (tmp_path / "api-token").touch(0o600)
    (tmp_path / "api-token").write_text("t" * 32)
    (port,) = free_ports(1)
    (check,) = _edge(Settings(home=tmp_path, edge_port=port))
    assert check.detail == f"http://127.0.0.1:{port}: [Errno {ECONNREFUSED}] {os.strerror(ECONNREFUSED)}"
    assert check.mend.startswith("start everything with")
