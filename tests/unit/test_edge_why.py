from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.views import ExecutionView, UpstreamView
from streams.edge.board import SILENT_AFTER, Board, PoolStatus, WorkerStatus
from streams.edge.why import why
from streams.engine.records import Execution, RetryPolicy

NOW = 1_800_000_000_000
MOMENT = datetime.fromtimestamp(NOW / 1000, UTC)


def view(state: str, **fields: Any) -> ExecutionView:
    """An execution in a state."""
    plain = {
        "execution": "e", "task": "t", "run": "r", "kind": "shell", "state": state, "priority": 5, "pool": "gpu",
        "queue": "default", "owner": "ann", "attempt": 0, "created_at": MOMENT, "updated_at": MOMENT,
        "trigger": "all_success",
    }  # fmt: skip
    return ExecutionView.model_validate(plain | fields)


def board(**pool: Any) -> Board:
    """One pool `gpu` with a worker that has a slot free, unless said otherwise."""
    made = Board()
    workers = (WorkerStatus("w", slots=1, seen_at=NOW),)
    made.pools["gpu"] = PoolStatus(**{"pool": "gpu", "at": NOW, "slots": 1, "workers": workers} | pool)
    return made


WAITING = [0, 0, 0, 0, 0, 3, 0, 2, 0, 4]


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        ({"workers": ()}, "no worker in pool `gpu`: start one with `headrace worker --pool gpu`"),
        ({"at": NOW - SILENT_AFTER - 2000}, "the dispatcher of pool `gpu` has been silent for 12.0 s"),
        ({"workers": (WorkerStatus("w", draining=True),)}, "all workers of pool `gpu` drain and take nothing new"),
        ({"running": 1}, "all 1 slots of pool `gpu` are taken"),
    ],
)
def test_the_hardest_cause_comes_first(pool: dict[str, Any], sentence: str) -> None:
    """Each cause of waiting in line has its sentence, followed by the place in the line."""
    first, second = why(view("waiting"), board(waiting=WAITING, **pool), NOW)
    assert first == sentence
    assert second == "in the line of pool `gpu`: one of 3 of priority 5, behind 6 more critical"


def test_a_pool_that_nobody_has_heard_of() -> None:
    """Without a word of the pool there is no place to name, only what to do."""
    assert why(view("waiting"), Board(), NOW) == (
        "no worker in pool `gpu`: start one with `headrace worker --pool gpu`",
    )


def test_the_most_critical_one_that_is_late() -> None:
    """Nothing is ahead of it, and it has waited longer than its owner accepts."""
    late = view("waiting", priority=9, late=True, max_latency_ms=1500)
    alone = board(waiting=[0] * 9 + [1])
    assert why(late, alone, NOW) == (
        "in the line of pool `gpu`: the only one of priority 9, nothing more critical is ahead",
        "late: it accepts a wait of 1.5 s",
    )


def test_upstream_executions_are_named_with_their_states() -> None:
    """Those that run say since when, those nobody has submitted say so, those that have ended are left out."""
    upstream = (
        UpstreamView(execution="a", task="load"),
        UpstreamView(execution="b", task="clean"),
        UpstreamView(execution="c", task="draw", state="succeeded"),
        UpstreamView(execution="d", task="send"),
    )
    known = {
        "a": view("running", started_at=MOMENT - timedelta(minutes=4)),
        "b": view("waiting"),
    }
    blocked = view("blocked", upstream=upstream)
    assert why(blocked, Board(), NOW, upstream=known) == (
        "waits for `load` (running 4m 00s)",
        "waits for `clean` (waiting)",
        "waits for `send` (not submitted yet in run `r`)",
    )


def test_many_upstream_executions_are_counted() -> None:
    """Five are named, the others are a number."""
    upstream = tuple(UpstreamView(execution=str(n), task=f"t{n}") for n in range(8))
    assert why(view("blocked", upstream=upstream), Board(), NOW)[-1] == "and for 3 more"


def test_times_are_named() -> None:
    """A due time and a retry say how long it is until then."""
    due = view("scheduled", due_at=MOMENT + timedelta(hours=2, minutes=5))
    assert why(due, Board(), NOW) == ("due in 2h 05m",)
    record = Execution(b"e", "t", "r", "shell", "retrying", attempt=2, retry=RetryPolicy(4), retry_at=NOW + 12_000)
    assert why(view("retrying", attempt=2), Board(), NOW, record=record) == ("attempt 3 of 5 in 12.0 s",)
    assert why(view("retrying", attempt=2), Board(), NOW) == ("attempt 2 failed; another one follows",)


def test_what_is_far_is_told_by_its_date() -> None:
    """Nobody counts thousands of hours; up to a day it is said how long."""
    day = timedelta(days=1)
    assert why(view("scheduled", due_at=MOMENT + day), Board(), NOW) == ("due in 1d 00h",)
    assert why(view("scheduled", due_at=MOMENT + 1131 * day), Board(), NOW) == ("due on 19 Feb 2030 at 08:00 UTC",)


def test_what_runs_or_has_ended_does_not_wait() -> None:
    """There is nothing to explain, except for what somebody else has to finish."""
    for state in ("running", "succeeded", "failed", "cancelled"):
        assert why(view(state), Board(), NOW) == ()
    assert why(view("running", kind="external"), Board(), NOW) == ("waits for a `finish` event from outside",)
    assert "has not said yet" in why(view("dispatched", worker="w"), Board(), NOW)[0]
