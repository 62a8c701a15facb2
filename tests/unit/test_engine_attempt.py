"""An attempt's life, and whose word counts."""

import pytest
from simulated.house import House, moves, refusals

from streams.engine import commands as c
from streams.engine.attempt import INPUT_LIMIT
from streams.engine.backoff import LOSS_DELAY, LOSS_LIMIT
from streams.engine.events import Moved
from streams.engine.records import Execution, RetryPolicy, State
from streams.engine.rejections import not_running
from streams.engine.timers import GRACE

RETRY = RetryPolicy(limit=2, delay=100, jitter=0.0)


def test_the_way_of_a_success() -> None:
    """Waiting, dispatched, running, succeeded; the value is kept for later tasks."""
    house = House()
    which = house.submit()
    assert moves(house.assign(which)) == [("assigned", State.DISPATCHED)]
    assert moves(house.do(c.Started(which, 1, "w", house.now))) == [("started", State.RUNNING)]
    assert moves(house.finish(which, result=b"7")) == [("succeeded", State.SUCCEEDED)]
    assert house.table.result(which) == b"7"
    assert house.record(which).has_result


@pytest.mark.parametrize("since", [0, 15_000])
def test_a_gap_in_the_log_is_no_timeout(since: int) -> None:
    """The result may have waited for the broker as the timer did; only one that does not come soon is a timeout."""
    for outcome in ("succeeded", "timeout"):
        house = House()
        which = house.submit(timeout=5_000)
        house.assign(which)
        begun = house.now
        house.now += 30_000
        assert moves(house.do(c.Wake(which, begun + 20_000, since and begun + since))) == []
        assert house.record(which).wake_at == house.now + GRACE
        if outcome == "succeeded":
            assert moves(house.finish(which)) == [("succeeded", State.SUCCEEDED)]
        else:
            assert moves(house.wake(which)) == [("failed", State.FAILED)]


@pytest.mark.parametrize("attempt", [0, 1, 3])
def test_i9_an_assignment_of_another_attempt_changes_nothing(attempt: int) -> None:
    """Only the attempt that the record waits for can be assigned."""
    house = House()
    which = house.submit(retry=RETRY)
    house.complete(which, "failed")
    house.wake(which)
    before = house.record(which)
    out = house.do(c.Assign(which, attempt, "w", 0, 1))
    assert moves(out) == []
    assert house.record(which) == before


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "returned", "skipped"])
def test_i9_a_stale_attempt_is_not_heard(outcome: str) -> None:
    """The first worker was lost; what it reports when it comes back is dropped, and so is its start."""
    house = House()
    which = house.submit()
    house.assign(which, "old")
    house.do(c.WorkerLost("old", house.now))
    house.wake(which)
    house.assign(which, "new")
    before = house.record(which)
    for attempt, worker in ((1, "old"), (2, "old"), (1, "new")):
        out = house.do(c.Finished(which, attempt, worker, outcome, 1, 2, b"1"))
        assert refusals(out) == ["another attempt counts now"]
    assert refusals(house.do(c.Started(which, 1, "old", 1))) == ["another attempt counts now"]
    assert house.record(which) == before


@pytest.mark.parametrize("outcome", ["failed", "timeout"])
def test_i3_a_failed_attempt_is_tried_again_until_its_retries_are_used_up(outcome: str) -> None:
    """Each retry comes after its delay; the last failure is the end."""
    house = House()
    which = house.submit(retry=RETRY)
    for delay in (100, 200):
        assert moves(house.complete(which, outcome, error="no"))[-1] == ("retrying", State.RETRYING)
        assert house.record(which).retry_at == house.now + delay
        assert moves(house.wake(which)) == [("ready", State.WAITING)]
    assert moves(house.complete(which, outcome, error="no")) == [("failed", State.FAILED)]
    assert (house.record(which).reason, house.record(which).error) == ("failed 3 times", "no")


def test_a_refused_attempt_is_never_retried() -> None:
    """Where no retry can help, none is made."""
    house = House()
    which = house.submit(retry=RETRY)
    assert moves(house.complete(which, "refused"))[-1] == ("failed", State.FAILED)


def test_i2_at_most_once_has_no_second_attempt() -> None:
    """A failure is final, whatever the retries say."""
    house = House()
    which = house.submit(retry=RETRY, at_most_once=True)
    assert moves(house.complete(which, "failed"))[-1] == ("failed", State.FAILED)


def test_i2_at_most_once_is_lost_with_its_worker() -> None:
    """Nobody can know whether it ran: it ends as lost, and says so."""
    house = House()
    which = house.submit(at_most_once=True)
    house.assign(which)
    house.do(c.WorkerLost("w", house.now))
    assert house.state(which) == State.LOST
    assert "nobody can know whether it ran" in house.record(which).reason


def test_i3_a_worker_that_is_lost_costs_no_retry() -> None:
    """It is tried again after a moment, and its failures are not counted up."""
    house = House()
    which = house.submit()
    house.assign(which)
    told = house.do(c.WorkerLost("w", house.now))
    record = house.record(which)
    assert (record.state, record.failures, record.retry_at) == (State.RETRYING, 0, house.now + LOSS_DELAY)
    assert [move.lost for move in told if isinstance(move, Moved)] == [True]


def test_what_takes_down_worker_after_worker_fails() -> None:
    """A task that kills its workers is stopped some time."""
    house = House()
    which = house.submit()
    for n in range(LOSS_LIMIT):
        house.assign(which, f"w{n}")
        house.do(c.WorkerLost(f"w{n}", house.now))
        if n < LOSS_LIMIT - 1:
            house.wake(which)
    assert house.state(which) == State.FAILED


def test_only_what_the_lost_worker_has_is_lost() -> None:
    """Others of its executions have ended or moved on, and other workers go on."""
    house = House()
    done, mine, other = (house.submit(task) for task in ("done", "mine", "other"))
    house.complete(done)
    house.assign(mine)
    house.assign(other, "another")
    house.do(c.WorkerLost("w", house.now))
    states = [house.state(which) for which in (done, mine, other)]
    assert states == [State.SUCCEEDED, State.RETRYING, State.DISPATCHED]


def test_a_banned_worker_gets_nothing_more() -> None:
    """A proposal that crossed its loss puts the execution back in line, where it stood."""
    house = House()
    which = house.submit()
    house.do(c.WorkerLost("w", house.now))
    before = house.record(which)
    house.now += 5
    assert moves(house.assign(which)) == [("ready", State.WAITING)]
    record = house.record(which)
    assert (record.attempt, record.ready_at, record.deadline) == (0, before.ready_at, before.deadline)


def test_what_a_draining_worker_returns_stands_in_line_where_it_stood() -> None:
    """It did not start: it has waited all the time, and nothing counts against it, nor is it an attempt for people."""
    house = House()
    which = house.submit(at_most_once=True)
    before = house.record(which)
    house.now += 5
    assert moves(house.complete(which, "returned")) == [("returned", State.WAITING)]
    after = house.record(which)
    assert (after.ready_at, after.deadline, after.number) == (before.ready_at, before.deadline, 0)
    assert moves(house.assign(which)) == [("assigned", State.DISPATCHED)]
    assert (house.record(which).attempt, house.record(which).number) == (2, 1)


@pytest.mark.parametrize(("outcome", "keeps"), [("lost", True), ("failed", False)])
def test_who_was_lost_with_a_worker_goes_before_who_came_later(outcome: str, keeps: bool) -> None:  # noqa: FBT001  (a parameter)
    """Its own failure puts it behind them; that of a worker does not."""
    house = House()
    which = house.submit(retry=RETRY)
    house.complete(which, outcome)
    house.now += 5
    later = house.record(house.submit("later")).deadline
    house.wake(which)
    assert house.state(which) == State.WAITING
    assert (house.record(which).deadline < later) is keeps


@pytest.mark.parametrize(("at_most_once", "state"), [(True, State.LOST), (False, State.RETRYING)])
def test_i2_what_has_started_cannot_be_returned(at_most_once: bool, state: State) -> None:  # noqa: FBT001  (a parameter)
    """A worker that gives back what it said it had started is treated like one that was lost."""
    house = House()
    which = house.submit(at_most_once=at_most_once)
    house.assign(which)
    house.do(c.Started(which, 1, "w", house.now))
    house.finish(which, "returned")
    assert house.state(which) == state


@pytest.mark.parametrize(("at_most_once", "state"), [(True, State.LOST), (False, State.RETRYING)])
def test_i3_an_orderly_stop_is_no_failure_of_the_task(at_most_once: bool, state: State) -> None:  # noqa: FBT001  (a parameter)
    """What a worker had to stop because it leaves runs again, though no retry is left, unless it may run only once."""
    house = House()
    which = house.submit(at_most_once=at_most_once)
    house.assign(which)
    house.finish(which, "lost", error="the worker was stopped")
    record = house.record(which)
    assert (record.state, record.failures, record.losses) == (state, 0, 1)
    assert record.error == "the worker was stopped"


def test_inputs_past_their_limit_end_it_with_both_sizes() -> None:
    """What cannot travel to a worker fails before it is given away, and the credit is given back."""
    house = House()
    big = b'"' + b"x" * (INPUT_LIMIT // 2) + b'"'
    for task in ("u1", "u2"):
        house.complete(house.submit(task), result=big)
    which = house.submit(upstream=(("u1", ""), ("u2", "")))
    out = house.hear(c.Assign(which, 1, "w", 3, 1))
    assert house.state(which) == State.FAILED
    assert "take 4,194,308 bytes; the limit is 4,194,304" in house.record(which).reason
    assert out.lanes == {3: [c.Void("w", 1)]}


def test_an_external_execution_is_finished_by_event() -> None:
    """Its value is kept like any other, and a second finish is refused."""
    house = House()
    which = house.submit(kind="external")
    assert moves(house.do(c.Finish(which, 1, "succeeded", b"7"))) == [("succeeded", State.SUCCEEDED)]
    assert (house.table.result(which), house.record(which).has_result) == (b"7", True)
    assert "only a running execution" in refusals(house.do(c.Finish(which, 1, "failed")))[0]


def test_an_external_execution_that_failed_is_retried_like_others() -> None:
    """Its next attempt runs as soon as it is due, and a success clears the old error."""
    house = House()
    which = house.submit(kind="external", retry=RETRY)
    house.do(c.Finish(which, 1, "failed", error="not yet"))
    assert moves(house.wake(which)) == [("started", State.RUNNING)]
    house.do(c.Finish(which, 1, "succeeded"))
    assert (house.state(which), house.record(which).error) == (State.SUCCEEDED, "")


def test_i9_a_late_finish_of_another_attempt_ends_nothing() -> None:
    """Who names the attempt is heard only while that one runs."""
    house = House()
    which = house.submit(kind="external", retry=RETRY)
    house.do(c.Finish(which, 1, "failed", attempt=1))
    house.wake(which)
    assert refusals(house.do(c.Finish(which, 1, "succeeded", attempt=1))) == [
        "attempt 2 of 't' in run 'r' runs: attempt 1 has ended already"
    ]
    assert moves(house.do(c.Finish(which, 1, "succeeded", attempt=2))) == [("succeeded", State.SUCCEEDED)]


@pytest.mark.parametrize(
    ("kind", "sentence"), [("python", "'t' in run 'r' is of kind python"), ("", "no such execution")]
)
def test_only_external_executions_are_finished_by_event(kind: str, sentence: str) -> None:
    """The refusal says what it is."""
    house = House()
    which = house.submit(kind=kind) if kind else b"?" * 16
    assert sentence in refusals(house.do(c.Finish(which, 1, "succeeded")))[0]


@pytest.mark.parametrize(
    ("outcome", "standing"), [("succeeded", "has succeeded"), ("failed", "has failed"), ("skipped", "is skipped")]
)
def test_the_standing_that_forbids_an_order_is_a_sentence(outcome: str, standing: str) -> None:
    """The run without a name is told as that."""
    known = Execution(b"", "t", "", "external", outcome)
    assert not_running(known) == f"'t' in the run without a name {standing}: only a running execution can be finished"


def test_a_start_after_max_latency_is_told_as_late() -> None:
    """The miss is a step of its own, also where its timer did not ring before."""
    house = House()
    which = house.submit(max_latency=10)
    house.assign(which)
    house.now += 11
    out = house.do(c.Started(which, 1, "w", house.now))
    assert moves(out) == [("late", State.DISPATCHED), ("started", State.RUNNING)]
    short = house.submit("short", max_latency=10)
    house.assign(short)
    house.now += 11
    assert [what for what, _ in moves(house.finish(short))] == ["late", "succeeded"]


def test_a_workers_wrong_clock_moves_no_timer() -> None:
    """I10: times that it reports are held between its assignment and now, so that nothing ends too early or never."""
    house = House()
    house.now = 100_000
    early, late = house.submit("early", timeout=5), house.submit("late")
    house.assign(early)
    house.assign(late)
    house.do(c.Started(early, 1, "w", 3))
    assert house.record(early).started_at == 100_000
    house.now += 10
    house.do(c.Finished(late, 1, "w", "succeeded", 10**13, 10**13))
    record = house.record(late)
    assert (record.started_at, record.finished_at) == (100_010, 100_010)
