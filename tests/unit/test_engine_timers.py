"""An execution's one timer, in every state."""

import pytest
from msgspec.structs import replace

from streams.engine.records import TERMINAL, Execution, State
from streams.engine.timers import GRACE, wake_time

KEEP = 1_000
PLAIN = Execution(
    b"i" * 16,
    "t",
    "r",
    "python",
    State.WAITING,
    due_at=50,
    ready_at=60,
    dispatched_at=70,
    started_at=80,
    finished_at=90,
    retry_at=65,
)


def wake(state: str, **changes: object) -> int:
    """When an execution in this state is looked at again."""
    return wake_time(replace(PLAIN, state=state, **changes), KEEP)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_has_ended_is_forgotten_in_time(state: str) -> None:
    """The timer of a terminal state is the moment to forget it, whatever else could have rung."""
    assert wake(state, timeout=1, execution_timeout=1, max_latency=1) == 90 + KEEP


def test_a_plain_execution_waits_for_nobody() -> None:
    """Without limits of its own nothing rings while it waits or runs."""
    assert [wake(s) for s in (State.BLOCKED, State.WAITING, State.DISPATCHED, State.RUNNING)] == [0] * 4


def test_due_times_and_retries_ring() -> None:
    """A scheduled execution rings when it is due, a failed one when its next attempt is."""
    assert (wake(State.SCHEDULED), wake(State.RETRYING)) == (50, 65)


def test_only_who_waits_can_become_late() -> None:
    """max_latency counts from when it could run, and rings once."""
    assert wake(State.WAITING, max_latency=5) == 65
    assert wake(State.WAITING, max_latency=5, late=True) == 0
    assert wake(State.RUNNING, max_latency=5) == 0


def test_a_worker_gets_grace_to_report_a_timeout() -> None:
    """A worker reports its timeouts itself; an external execution has nobody who would."""
    assert wake(State.RUNNING, timeout=5) == 85 + GRACE
    assert wake(State.DISPATCHED, timeout=5, started_at=0) == 75 + GRACE
    assert wake(State.RUNNING, timeout=5, kind="external") == 85


@pytest.mark.parametrize("sleep", [0, 7])
def test_a_sleep_ends_by_itself(sleep: int) -> None:
    """Even a sleep of no time at all needs its timer to end."""
    assert wake(State.RUNNING, kind="sleep", sleep=sleep) == 80 + sleep


@pytest.mark.parametrize("state", [State.SCHEDULED, State.BLOCKED, State.WAITING, State.RUNNING, State.RETRYING])
def test_the_execution_timeout_holds_in_every_state(state: str) -> None:
    """It counts from the due time, and the earlier timer wins."""
    assert wake(state, execution_timeout=2, timeout=100_000, max_latency=100_000) in (50, 52)
