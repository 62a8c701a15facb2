"""The judge of histories: each promise is broken by a history of a few lines, and kept by its neighbour."""

from dataclasses import replace

import pytest

from pipelines.ids import execution_id, to_text
from streams.engine.commands import Assign, Beat, Lend, Ready
from tests.history.facts import Asked, Copy, Delivery, History, Letter, Row, Step, Task, Violation, Witnessed
from tests.history.judge import CHECKS, judge
from tests.history.order import strict_loans

A_ID, B_ID = execution_id("a", "r"), execution_id("b", "r")
A, B = to_text(A_ID), to_text(B_ID)
POISON = ("t", 0, 3)


def good() -> History:
    """`a` succeeds at once, then `b`, which waits for it and may start once; a poison message is buried."""
    return History(
        asked=[Asked("submit", "ok", A), Asked("submit", "ok", B), Asked("poison", "ok", place=POISON)],
        tasks={A: Task(notify=(("completed", "sim://x"),)), B: Task(at_most_once=True, upstream=(A,))},
        witnessed=[
            Witnessed("start", A, 1, 20),
            Witnessed("end", A, 1, 30, outcome="succeeded"),
            Witnessed("start", B, 1, 50),
            Witnessed("end", B, 1, 60, outcome="succeeded"),
        ],
        steps=[
            Step(A, 1, "created", "waiting", 0, 10),
            Step(B, 1, "created", "blocked", 0, 10),
            Step(A, 2, "succeeded", "succeeded", 1, 40, "w"),
            Step(B, 2, "succeeded", "succeeded", 1, 70, "w"),
        ],
        rows=[Row(A, "succeeded", 1), Row(B, "succeeded", 1)],
        deliveries=[Delivery(A, "completed", "sim://x")],
        letters=[Letter("submit", POISON, "", "not JSON")],
        ready=[
            [Ready("p", A_ID, 1, 1, 0, 0), Ready("p", B_ID, 1, 9, 0, 0)],
            [Beat("w", "p", 1, 1, 0, 0)],
            [Beat("w", "p", 1, 2, 0, 0)],
        ],
        assigned=[Assign(B_ID, 1, "w", 0, 1), Assign(A_ID, 1, "w", 0, 2)],
        copies=[Copy("t", {b"k": b"v"}, {b"k": b"v"})],
    )


BAD = {
    "I1": replace(good(), rows=[Row(B, "succeeded", 1)]),
    "I2": replace(good(), witnessed=[*(good().witnessed or ()), Witnessed("start", B, 2, 80)]),
    "I3": replace(good(), steps=[*(good().steps or ())[:2], Step(A, 2, "lost", "lost", 1, 40)]),
    "I4": replace(good(), witnessed=[Witnessed("start", B, 1, 39)]),
    "I5": replace(good(), assigned=[Assign(A_ID, 1, "w", 0, 1), Assign(B_ID, 1, "w", 0, 2)]),
    "I6": replace(good(), copies=[Copy("t", {b"k": b"v"}, {})]),
    "I7": replace(good(), rows=[*(good().rows or ()), Row(A, "succeeded", 1)]),
    "I8": replace(good(), deliveries=[]),
    "I9": replace(good(), steps=[*(good().steps or ()), Step(A, 3, "ready", "waiting", 1, 80)]),
    "I10": replace(good(), steps=[*(good().steps or ())[:3]]),
    "I11": replace(good(), letters=[Letter("submit", POISON, "", "")]),
}


def test_a_good_history_breaks_nothing() -> None:
    """All promises are judged, and none is broken."""
    verdict = judge(good())
    assert (verdict.judged, verdict.violations) == (tuple(CHECKS), [])


@pytest.mark.parametrize("promise", list(CHECKS))
def test_each_promise_can_be_broken(promise: str) -> None:
    """One changed line, and the judge names the promise."""
    assert promise in {violation.promise for violation in judge(BAD[promise]).violations}


def test_what_was_asked_for_later_starts_no_earlier() -> None:
    """A start before its time breaks I4, however its upstream tasks stand."""
    late = {**good().tasks, A: Task(not_before=10**9)}
    assert {v.promise for v in judge(replace(good(), tasks=late)).violations} == {"I4"}


def test_what_is_there_to_fail_says_why_it_did() -> None:
    """A success breaks I11, and so does an end as failed with another reason than its own."""
    wrong = {**good().tasks, A: Task(fails_with="MemoryError")}
    assert [v.promise for v in judge(replace(good(), tasks=wrong)).violations] == ["I11"]


def test_an_execution_without_a_row_is_forgotten() -> None:
    """Also where no client was told of it; without rows to look at nothing is said."""
    forgotten = replace(good(), asked=[], rows=[Row(B, "succeeded", 1)])
    assert judge(forgotten).violations == [Violation("I7", A, "it has 0 rows")]
    assert judge(replace(forgotten, rows=None)).violations == []


@pytest.mark.parametrize(
    ("reason", "excused"),
    [
        ("'completed' was not told: json://x/… accepted none of 3 attempts; the last: no", True),
        ("'completed' was not told: json://y/… accepted none of 3 attempts; the last: no", False),
        ("'late' was not told: json://x/… accepted none of 3 attempts; the last: no", False),
    ],
)
def test_a_dead_letter_excuses_what_it_is_about(reason: str, *, excused: bool) -> None:
    """One address and one happening, and no other of the same execution."""
    tasks = {**good().tasks, A: Task(notify=(("completed", "json://me:secret@x/path"),))}
    letters = [*(good().letters or ()), Letter("notify", ("n", 0, 0), A, reason)]
    verdict = judge(replace(good(), tasks=tasks, deliveries=[], letters=letters))
    assert {v.promise for v in verdict.violations} == (set() if excused else {"I8"})


def test_what_was_not_looked_at_is_not_judged() -> None:
    """A run without the log of headrace.ready says nothing about I5, and the verdict says so."""
    assert "I5" not in judge(replace(good(), ready=None)).judged


def test_more_than_is_accepted_is_no_place_in_line() -> None:
    """What nobody waited for, or nobody had room for, was given away wrongly."""
    beyond = replace(good(), assigned=[*(good().assigned or ()), Assign(A_ID, 2, "w", 0, 3)])
    assert [v.promise for v in judge(beyond).violations] == ["I5"]


def test_more_than_is_accepted_is_not_lent_either() -> None:
    """Its worker has said that it takes two."""
    lent = replace(good(), assigned=[*(good().assigned or ()), Lend("w", "p", 0, 3, 9)])
    assert [v.promise for v in judge(lent).violations] == ["I5"]


def test_nothing_of_a_loan_goes_past_one_who_is_more_critical() -> None:
    """Nobody proposed it, and the other one waited by then; the same number is given to one only."""
    steps = [
        Step(A, 1, "created", "waiting", 0, 10),
        Step(B, 1, "created", "waiting", 0, 10),
        Step(A, 2, "assigned", "dispatched", 1, 11, "w", seq=1),
        Step(B, 2, "assigned", "dispatched", 1, 12, "w", seq=1),
    ]
    assert len(list(strict_loans(steps, [], {A: 1, B: 9}))) == 2
    assert len(list(strict_loans(steps[:3], [], {A: 9, B: 9}))) == 0
