"""Which processes /health names, and what it finds wrong."""

import os
import socket

import msgspec
import pytest

from streams.edge.board import FORGOTTEN_AFTER, SILENT_AFTER, Board, now_ms
from streams.edge.health import roles, view
from streams.edge.live import Live
from streams.pulse import word
from streams.settings import Settings

HOUR = 3_600_000
NOW = 1_000_000_000_000


def said(*words: tuple[str, int, int] | tuple[str, int, int, int]) -> list[tuple[str, bool]]:
    """Names and whether they live, of processes by role, pid and the milliseconds since last word and first."""
    board = Board()
    for role, pid, ago, *since in sorted(words, key=lambda word: -word[2]):
        word = {"role": role, "at": NOW - ago, "since": NOW - sum(since), "name": f"{role}-{pid}", "pid": pid}
        board.put(f"role/{role}-{pid}", msgspec.json.encode(word))
    return [(one.name, one.alive) for one in roles(board.roles, NOW)]


def test_processes_of_earlier_starts_are_not_named() -> None:
    """Who was started again is named once, however often that was."""
    assert said(("edge", 1, SILENT_AFTER + 1, HOUR), ("edge", 2, 500, SILENT_AFTER), ("edge", 3, 700, HOUR)) == [
        ("edge-2", True),
        ("edge-3", True),
    ]
    assert said(("edge", 1, 30_000, HOUR), ("edge", 2, 20_000, 29_000), ("edge", 3, 0, 19_000)) == [("edge-3", True)]


def test_who_fell_silent_beside_others_is_named_until_another_one_takes_its_place() -> None:
    """For a while: each that began since then takes the place of one, and no other role's does."""
    old = ("scheduler", 1, 60_000, HOUR), ("scheduler", 2, 50_000, HOUR), ("scheduler", 3, 0, HOUR)
    gone = [("scheduler-1", False), ("scheduler-2", False), ("scheduler-3", True)]
    assert said(*old) == gone
    assert said(*old, ("worker", 4, 0, 10_000)) == [*gone, ("worker-4", True)]
    assert said(*old, ("scheduler", 4, 0, 10_000)) == [*gone[1:], ("scheduler-4", True)]
    assert said(*old, ("scheduler", 4, 0, 40_000), ("scheduler", 5, 0, 10_000)) == [
        (f"scheduler-{n}", True) for n in (3, 4, 5)
    ]
    assert said(("worker", 1, FORGOTTEN_AFTER + 1, 2 * HOUR), ("worker", 2, 0, HOUR)) == [("worker-2", True)]


def test_processes_of_the_same_number_on_two_hosts_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers every process has the same."""
    board = Board()
    for host in ("a", "b"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        key, value = word("edge")
        board.put(key.decode(), value)
    assert [(one.host, one.pid, one.alive) for one in roles(board.roles, now_ms())] == [
        ("a", os.getpid(), True),
        ("b", os.getpid(), True),
    ]


def test_the_last_of_a_role_is_named_as_gone() -> None:
    """Where nobody has a role any more, people learn who had it last, for a while."""
    assert said(("worker", 1, 60_000), ("worker", 2, SILENT_AFTER + 1)) == [("worker-2", False)]
    assert said(("worker", 1, FORGOTTEN_AFTER + 1)) == []


def test_who_answers_is_alive_and_how_long_others_are_silent_is_told() -> None:
    """Whatever Kafka has brought: nothing at all is needed to know oneself."""
    live = Live(Settings())
    assert "no scheduler has been heard of" in view(live, None).problems
    live.board.put("role/scheduler-1", msgspec.json.encode({"role": "scheduler", "at": now_ms() - 75_300}))
    said = view(live, None)
    assert "no scheduler has been heard of for 75 s" in said.problems
    assert [(one.role, one.pid, one.alive) for one in said.roles if one.alive] == [("edge", os.getpid(), True)]
