"""Where an execution goes once it is due."""

import pytest

from streams.engine.place import ended, enter, place
from streams.engine.records import Execution, State
from streams.engine.timers import PATIENCE


def execution(kind: str = "python", outcomes: tuple[str, ...] = (), **fields: object) -> Execution:
    """A due execution whose upstream tasks ended like this."""
    upstream = tuple((bytes([n]) * 16, f"u{n}", outcome) for n, outcome in enumerate(outcomes))
    return Execution(b"i" * 16, "t", "r", kind, State.SCHEDULED, upstream=upstream, **fields)


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ((), State.WAITING),
        (("succeeded",), State.WAITING),
        (("",), State.BLOCKED),
        (("skipped",), State.SKIPPED),
        (("failed",), State.UPSTREAM_FAILED),
    ],
)
def test_a_due_execution_goes_where_its_rule_says(outcomes: tuple[str, ...], state: State) -> None:
    """Each verdict of a rule is a state."""
    assert place(execution(outcomes=outcomes), 7)["state"] == state


def test_the_deadline_orders_inside_a_priority() -> None:
    """Who accepts less waiting stands before who came at the same time; none stands in for a patient one."""
    assert enter(execution(max_latency=30), 7)["deadline"] == 37
    assert enter(execution(), 7)["deadline"] == 7 + PATIENCE


def test_who_comes_back_keeps_the_deadline() -> None:
    """Nobody who came later stands before it."""
    assert enter(execution(deadline=9), 7)["deadline"] == 9


def test_a_new_entry_forgets_the_last_attempt() -> None:
    """The times of an earlier attempt are not those of the next one."""
    old = execution(dispatched_at=1, started_at=2, finished_at=3, lane=4)
    changes = enter(old, 7)
    assert [changes[k] for k in ("dispatched_at", "started_at", "finished_at", "lane")] == [0, 0, 0, -1]


@pytest.mark.parametrize("kind", ["external", "sleep"])
def test_what_needs_no_worker_runs_at_once(kind: str) -> None:
    """External executions and sleeps have a first attempt without standing in line."""
    changes = enter(execution(kind), 7)
    assert (changes["state"], changes["attempt"], changes["started_at"]) == (State.RUNNING, 1, 7)


def test_an_end_says_when_and_why() -> None:
    """The reason is for people."""
    changes = place(execution(outcomes=("failed", "lost", "failed", "failed")), 7)
    assert changes == ended(State.UPSTREAM_FAILED, 7, "all_success cannot hold: u0 failed, u1 lost, u2 failed, ...")
