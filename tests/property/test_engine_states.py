"""docs/states.md tells every step that the engine can take, and no other."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from simulated.history import Transition
from simulated.house import House
from simulated.states_page import PAGE, documented

from pipelines.ids import execution_id
from streams.engine import attempt
from streams.engine import commands as c
from streams.engine.events import UNRECORDED, Event, Moved
from streams.engine.records import TERMINAL, RetryPolicy, State
from streams.engine.rejections import Rejection

ONCE = RetryPolicy(limit=1, delay=100, jitter=0.0)
OUTCOMES = ("succeeded", "failed", "timeout", "skipped", "refused", "returned", "lost")

Out = list[Event | Rejection]
Action = Callable[[House, bytes], Out]

ACTIONS: dict[str, Action] = {
    "assign": lambda house, which: house.assign(which),
    "assign to a banned worker": lambda house, which: house.assign(which, "banned"),
    "started": lambda house, which: house.do(c.Started(which, house.record(which).attempt, "w", house.now)),
    **{f"finished as {o}": lambda house, which, o=o: _finish(house, which, o) for o in OUTCOMES},
    "finish": lambda house, which: house.do(c.Finish(which, 1, "succeeded")),
    "finish as failed": lambda house, which: house.do(c.Finish(which, 1, "failed")),
    "cancel": lambda house, which: house.do(c.Cancel(which, 1)),
    "retry": lambda house, which: house.do(c.Retry(which, 1)),
    "lost": lambda house, _: house.do(c.WorkerLost("w", 1)),
    "time": lambda house, which: house.wake(which) if house.record(which).wake_at else [],
    "time, late": lambda house, which: house.wake(which, 50) if house.record(which).wake_at else [],
    "a moment": lambda house, _: _pass(house, 20),
    **{f"upstream {o}": lambda house, _, o=o: _end_upstream(house, o) for o in ("succeeded", "failed", "skipped")},
}
KINDS: list[dict[str, Any]] = [
    {},
    {"retry": ONCE, "max_latency": 10, "timeout": 5},
    {"at_most_once": True, "timeout": 5},
    {"execution_timeout": 30, "retry": ONCE},
    {"kind": "external", "retry": ONCE, "timeout": 5, "execution_timeout": 30},
    {"kind": "external", "retry": ONCE},
    {"kind": "sleep", "sleep": 5},
]
PLACES: list[dict[str, Any]] = [
    {},
    {"upstream": (("u", ""),)},
    {"due_at": 1_010},
    {"due_at": 1_010, "upstream": (("u", ""),)},
]


def _pass(house: House, milliseconds: int) -> Out:
    house.now += milliseconds
    return []


def _finish(house: House, which: bytes, outcome: str) -> Out:
    record = house.record(which)
    started = record.started_at or house.now
    return house.do(c.Finished(which, record.attempt, "w", outcome, started, house.now, b"12345"))


def _end_upstream(house: House, outcome: str) -> Out:
    if house.table.execution(execution_id("u", "r")):
        return []
    up = house.submit("u")
    house.assign(up, "other")
    return house.finish(up, outcome, result=b"12345")


def _walk(fields: dict[str, Any], before: str, path: tuple[str, ...]) -> tuple[House, bytes, set[Transition]]:
    """The end of a path from its beginning, and the steps of its last action."""
    house = House(keep_finished=1_000_000)
    house.do(c.WorkerLost("banned", 1))
    if before:
        _end_upstream(house, before)
    which = house.submit("t", **fields)
    states = {which: ("", "created", house.state(which))}
    taken = {states[which]}
    for name in path:
        known = {execution: step[2] for execution, step in states.items()}
        taken = set()
        for event in ACTIONS[name](house, which):
            if isinstance(event, Moved) and event.execution.task == "t" and event.what not in UNRECORDED:
                execution, state = event.execution.id, str(event.execution.state)
                taken.add((known.get(execution, "") if event.what != "created" else "", event.what, state))
                known[execution] = state
        states = {execution: ("", "", state) for execution, state in known.items()}
    return house, which, taken


def _explore(fields: dict[str, Any], before: str) -> Iterator[Transition]:
    """Every step that any order of the actions leads to."""
    paths: list[tuple[str, ...]] = [()]
    seen = set()
    while paths:
        path = paths.pop()
        house, which, taken = _walk(fields, before, path)
        yield from taken
        record = house.table.execution(which)
        if record is None:
            continue
        now = min(house.now - record.ready_at, 20) if record.ready_at else 0
        here = (record.state, min(record.attempt, 3), record.failures, record.losses, record.late, now, record.upstream)
        if here in seen or record.state in TERMINAL:
            continue
        seen.add(here)
        paths += [(*path, name) for name in ACTIONS]


@pytest.fixture(scope="module")
def transitions() -> set[Transition]:
    """What the engine does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "LOSS_LIMIT", 2)
        patch.setattr(attempt, "INPUT_LIMIT", 4)
        return {
            step
            for kind in KINDS
            for place in PLACES
            for before in (("", "succeeded", "failed", "skipped") if "upstream" in place else ("",))
            for step in _explore({**kind, **place}, before)
        }


def test_the_table_has_every_step_that_the_engine_takes(transitions: set[Transition]) -> None:
    """What leads in and out of a state is written down, both ways: nothing is missing and nothing is made up."""
    assert sorted(transitions - documented()) == []
    assert sorted(documented() - transitions) == []


def test_the_drawing_has_the_same_arrows() -> None:
    """The diagram shows each pair of states of the table, and no other."""
    arrows = re.findall(r"^ +(\S+) --> (\w+)", PAGE, re.MULTILINE)
    drawn = {("" if start == "[*]" else start, end) for start, end in arrows}
    assert drawn == {(start, end) for start, _, end in documented() if start != end}


def test_every_state_is_explained() -> None:
    """Each state has a line of its own that says what it means."""
    assert set(re.findall(r"^\| \*\*(\w+)\*\* \|", PAGE, re.MULTILINE)) == {str(state) for state in State}


def test_i9_no_step_leaves_a_terminal_state(transitions: set[Transition]) -> None:
    """What has ended stays as it ended."""
    assert {start for start, _, _ in transitions} & TERMINAL == set()
