"""What doctor says of what it was told."""

import os
import socket
from datetime import UTC, datetime
from errno import ECONNREFUSED
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.views import HealthView, RoleView
from streams.local.checks.check import Check
from streams.local.checks.kafka import copies
from streams.local.checks.system import _roles, edge
from streams.local.doctor import Report, picture
from streams.local.ports import free_ports
from streams.settings import Settings

GONE = 2**22 + 1
"""A number that no process has: Linux counts to 2^22."""


def test_what_doctor_says_to_mend_stands_below_what_it_found() -> None:
    """So that both fit into 80 columns."""
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    found = "4.3.1 in /home/somebody/.cache/headrace, checksums right"
    console.print(picture(Report(ok=False, checks=(Check(name="kafka jars", status="warn", detail=found, mend="do"),))))
    assert isinstance(console.file, StringIO)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines[1:] == [f"! warn  kafka jars  {found}", "→ do"]


@pytest.mark.parametrize(
    ("there", "silent_ms", "status", "words"),
    [
        ([True], 900, "ok", "process"),
        ([True], 5_000, "fail", "silent for 5 s"),
        ([False], 900, "warn", "has ended; its last word is 1 s old"),
        ([False], 12_000, "fail", "has ended; its last word is 12 s old"),
        ([True, False], 900, "ok", "process"),
    ],
)
def test_doctor_knows_a_process_that_has_ended_at_once(
    there: list[bool], silent_ms: int, status: str, words: str
) -> None:
    """Where `up` runs it, and not when its silence has become long; another one of its kind is as good."""
    check = edge_of(there, silent_ms, Path("/somewhere/logs"))
    assert (check.status, words in check.detail) == (status, True)
    assert ("/somewhere/logs" in (check.mend or "")) is (status != "ok")


def test_who_runs_elsewhere_is_believed() -> None:
    """A host of the same name may count its processes by itself."""
    check = edge_of([False], 900, None)
    assert (check.status, check.detail) == ("ok", f"process {GONE} on {socket.gethostname()}")


def test_one_of_several_that_is_missed_is_a_warning_beside_the_one_that_lives() -> None:
    """With its process and host; where none lives, the last one heard of is enough."""

    def said(*silences: int) -> list[tuple[str, str]]:
        roles = tuple(
            RoleView(role="scheduler", name=f"s{n}", host=f"h{n}", pid=n, alive=silent < 9_000, silent_ms=silent)
            for n, silent in enumerate(silences)
        )
        health = HealthView(status="ok", version="1", at=datetime(2026, 11, 26, tzinfo=UTC), roles=roles)
        return [(one.status, one.detail) for one in _roles(health, None) if one.name == "scheduler"]

    missed = "process 1 on h1 silent for 70 s; another one goes on, and nothing waits for this one"
    assert said(900, 70_000, 800) == [("ok", "process 2 on h2"), ("warn", missed)]
    assert said(80_000, 70_000) == [("fail", "process 1 on h1 silent for 70 s")]


def edge_of(there: list[bool], silent_ms: int, logs: Path | None) -> Check:
    """What is said of edges, which are there or not; all but the first spoke a moment ago."""
    roles = tuple(
        RoleView(role="edge", name="edge", host=socket.gethostname(), pid=pid, alive=True, silent_ms=silent)
        for pid, silent in zip([os.getpid() if one else GONE for one in there], (silent_ms, 1), strict=False)
    )
    health = HealthView(status="ok", version="1", at=datetime(2026, 11, 26, tzinfo=UTC), roles=roles)
    return next(check for check in _roles(health, logs) if check.name == "edge")


def topic(*partitions: tuple[int, list[int], list[int]], name: str = "headrace.tasks") -> dict[str, Any]:
    """A topic as Kafka tells it: leader, wanted and complete copies of each partition."""
    named = ("leader_id", "replica_nodes", "isr_nodes")
    return {
        "name": name,
        "partitions": [
            {"partition_index": n, **dict(zip(named, one, strict=True))} for n, one in enumerate(partitions)
        ],
    }


ALL = [1, 2, 3]
FINE = (1, ALL, ALL)


@pytest.mark.parametrize(
    ("topics", "there", "said"),
    [
        ([topic(FINE, FINE)], ALL, None),
        ([topic((1, [1], [1]))], [1], None),
        ([topic(FINE, (1, ALL, [1, 3]))], [1, 3], ("warn", "2 of 2 partitions (e.g. headrace.tasks-0) have fewer")),
        ([topic(FINE, (1, ALL, [1, 3]))], ALL, ("warn", "broker 2 is there, and not up to date yet")),
        ([topic((1, ALL, [1]), FINE)], [1, 2], ("fail", "1 of 2 partitions (e.g. headrace.tasks-0) take nothing")),
        (
            [topic((-1, [2], [2]), (1, [1], [1]))],
            [1],
            ("fail", "1 of 2 partitions (e.g. headrace.tasks-0) take nothing"),
        ),
        ([topic((-1, ALL, ALL))], ALL, ("fail", "all have them, and none leads them yet")),
        ([topic((-1, [2], []))], [1], ("fail", "broker 2 is missing")),
    ],
)
def test_doctor_says_what_missing_brokers_mean(
    topics: list[dict[str, Any]], there: list[int], said: tuple[str, str] | None
) -> None:
    """Of three copies one may be missing; where too few are there, or nobody leads, nothing is taken."""
    found = [*copies(topics, there)]
    assert bool(found) is bool(said)
    for check in found:
        assert said
        assert (check.status, said[1] in check.detail) == (said[0], True), check


def test_doctor_says_why_the_api_does_not_answer_and_once_what_to_do(tmp_path: Path) -> None:
    """The client's own advice is left to the line below."""
    (tmp_path / "api-token").touch(0o600)
    (tmp_path / "api-token").write_text("t" * 32)
    (port,) = free_ports(1)
    (check,) = edge(Settings(home=tmp_path, edge_port=port))
    assert check.detail == f"http://127.0.0.1:{port}: [Errno {ECONNREFUSED}] {os.strerror(ECONNREFUSED)}"
    assert check.mend.startswith("start everything with")
