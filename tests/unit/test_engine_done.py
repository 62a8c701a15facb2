"""What is still known of an execution after its record is gone, and for how long."""

import pytest
from msgspec.structs import replace
from simulated.house import House, moves, refusals

from pipelines.ids import execution_id, home_of_task, to_text
from streams.engine import commands as c
from streams.engine import stop, upstream
from streams.engine.records import SHORT, Mark, State, TaskDef

LOCAL = next(f"d{n}" for n in range(99) if home_of_task(f"d{n}", 2) == 0)
REMOTE = next(f"u{n}" for n in range(99) if home_of_task(f"u{n}", 2) == 1)


def done(house: House, outcome: str = "succeeded", task: str = "t") -> bytes:
    """An execution that ended and was forgotten; nothing of it is in memory."""
    which = house.submit(task, payload=b"1")
    house.complete(which, outcome, result=b"7" if outcome == "succeeded" else b"")
    house.restart()
    house.wake(which)
    house.restart()
    assert house.table.execution(which) is None
    return which


def kinds(house: House) -> set[bytes]:
    """The first bytes of all that is in the table."""
    house.restart()
    return {key[:1] for key, _ in house.store.scan(b"!", b"\xff", 100_000)}


@pytest.mark.parametrize(("size", "short"), [(SHORT - 1, True), (SHORT, True), (SHORT + 1, False)])
def test_a_value_stands_in_its_record_or_beside_it_and_is_forgotten_with_it(size: int, short: bool) -> None:  # noqa: FBT001  (a parameter)
    """Later tasks read it in both places, also after a restart."""
    house, value = House(), b"7" * size
    which = house.submit()
    house.complete(which, result=value)
    assert (b"r" not in kinds(house)) is short
    assert (house.record(which).value == value) is short
    assert house.table.result(which) == value
    house.wake(which)
    assert kinds(house) == {b"x", b"F", b"f"}


def test_what_ended_long_ago_leaves_a_mark_and_nothing_else() -> None:
    """One small record and the key of its end; without `remember_done` only how far all is forgotten."""
    house, brief = House(), House(remember_done=0)
    done(house)
    done(brief)
    assert kinds(house) == {b"x", b"F", b"f"}
    assert sum(len(key) + len(value) for key, value in house.store.scan(b"!", b"\xff", 100) if key[:1] != b"f") == 54
    assert kinds(brief) == {b"f"}


def test_i2_what_ended_long_ago_is_not_executed_again() -> None:
    """A client that retries late meets its mark; only behind that it is a new execution."""
    house = House()
    which = done(house)
    again = c.Execute(which, "t", "r", 1, task_def=TaskDef("t", "python"))
    assert refusals(house.do(again)) == ["this execution exists already, and ended as succeeded long ago"]
    house.now += 600_000
    house.do(c.Sweep(house.now))
    assert moves(house.do(again)) == [("created", State.WAITING)]


@pytest.mark.parametrize(
    ("outcome", "trigger", "state"),
    [
        ("succeeded", "all_success", State.WAITING),
        ("failed", "all_success", State.UPSTREAM_FAILED),
        ("skipped", "all_success", State.SKIPPED),
        ("failed", "all_done", State.WAITING),
    ],
)
def test_i4_who_comes_long_after_its_upstream_hears_how_that_ended(outcome: str, trigger: str, state: State) -> None:
    """The trigger rule decides as ever; the value is gone, and the task runs without it."""
    house = House()
    done(house, outcome, "u")
    which = house.submit(upstream=(("u", ""),), trigger=trigger)
    assert house.state(which) == state
    if state == State.WAITING:
        (run,) = house.hear(c.Assign(which, 1, "w", 0, 1)).lanes[0]
        assert run.job.inputs == {}


def test_who_asks_from_another_partition_is_answered_by_the_mark() -> None:
    """Nothing is kept of the question."""
    there = House(1, 2)
    up, down = done(there, task=REMOTE), execution_id(LOCAL, "r")
    assert there.hear(c.Watch(up, down)).homes == {0: [c.UpstreamFinished(down, up, "succeeded")]}
    assert kinds(there) == {b"x", b"F", b"f"}


def test_the_mark_of_what_was_retried_leads_to_the_retry() -> None:
    """Whoever waits for the old one waits for the new one, be that forgotten too or not."""
    house = House()
    up, again = house.submit("u"), execution_id("u", "r", 1)
    house.complete(up, "failed")
    house.do(c.Retry(up, 1))
    house.wake(up)
    house.restart()
    waiting = house.submit("d1", upstream=(("u", ""),))
    assert house.state(waiting) == State.BLOCKED
    house.complete(again)
    assert house.state(waiting) == State.WAITING
    house.wake(again)
    assert house.state(house.submit("d2", upstream=(("u", ""),))) == State.WAITING


@pytest.mark.parametrize("kind", [c.Cancel, c.Retry, c.Finish])
def test_who_wants_to_change_what_is_done_is_told_how_it_ended(kind: type) -> None:
    """The sentence says what would be right; behind the mark nothing is known any more."""
    house = House()
    which = done(house, "failed")
    command = c.Finish(which, 1, "succeeded") if kind is c.Finish else kind(which, 1)
    assert refusals(house.do(command)) == [
        "it ended as failed more than 60 s ago, and nothing more is kept of it: execute the task again in another run"
    ]
    by_name = replace(command, about="'t' in run 'r'")
    assert refusals(house.do(by_name))[0].startswith("'t' in run 'r' ended as failed more than 60 s ago")
    house.now += 600_000
    house.do(c.Sweep(house.now))
    assert refusals(house.do(command)) == ["no such execution, or it ended too long ago"]
    assert refusals(house.do(by_name)) == ["no execution of 't' in run 'r', or it ended too long ago"]


def test_i2_a_retry_that_is_known_by_its_mark_is_not_made_again() -> None:
    """The old one is unknown and was submitted anew, while the mark of its first retry is still there."""
    house = House()
    which, again = house.submit(), execution_id("t", "r", 1)
    house.complete(which, "failed")
    house.do(c.Retry(which, 1))
    house.wake(which)
    house.now += 599_000
    house.complete(again)
    house.wake(again)
    house.do(c.Sweep(house.now))
    house.complete(house.submit(), "failed")
    assert refusals(house.do(c.Retry(which, 1))) == [f"it was retried already, as {to_text(again)}"]


def test_marks_go_in_several_steps_and_only_when_the_log_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that comes too early by the log's time removes nothing, whatever time it names; one takes a share."""
    monkeypatch.setattr(stop, "SWEEP_LIMIT", 4)
    house = House()
    for n in range(10):
        house.complete(house.submit(f"t{n}"))
    house.now += 60_000
    shares = [house.do(c.Sweep(house.now)) for _ in range(4)]
    assert [len(share) for share in shares] == [4, 4, 2, 0]
    assert house.do(c.Sweep(house.now + 10**9)) == []
    house.now += 600_000
    shares = [house.do(c.Sweep(house.now)) for _ in range(4)]
    assert [[len(event.keys) for event in share] for share in shares] == [[4], [4], [2], []]
    assert kinds(house) == {b"f"}


def test_what_ends_by_a_clock_that_was_set_back_is_forgotten_as_well() -> None:
    """All before it has been forgotten by then, and stays so."""
    house = House()
    early = done(house)
    house.now -= 50_000
    late = house.submit("late")
    house.complete(late)
    house.restart()
    house.wake(late)
    house.restart()
    assert [house.table.mark(which) for which in (early, late)] == [Mark(State.SUCCEEDED)] * 2
    house.now += 600_000
    house.do(c.Sweep(house.now))
    assert kinds(house) == {b"f"}


def test_bans_are_lifted_when_no_proposal_can_come_any_more() -> None:
    """A worker's name is never used again, and headrace.ready keeps nothing for so long."""
    house = House()
    house.do(c.WorkerLost("w", house.now))
    house.now += 3 * 86_400_000 - 1
    house.do(c.Sweep(house.now))
    assert house.table.banned("w")
    house.now += 1
    house.do(c.Sweep(house.now))
    assert not house.table.banned("w")
    assert kinds(house) == set()


def test_who_has_ended_waits_for_nobody() -> None:
    """What it waited for need never come: nothing is kept of its wish, here or elsewhere."""
    here, there = House(0, 2), House(1, 2)
    which = here.submit(LOCAL, upstream=((LOCAL + ".never", ""), (REMOTE, "")))
    up = execution_id(REMOTE, "r")
    there.do(c.Watch(up, which))
    assert (b"h" in kinds(here), b"h" in kinds(there)) == (True, True)
    out = here.hear(c.Cancel(which, 1))
    assert out.homes == {1: [c.Unwatch(up, which)]}
    there.do(out.homes[1][0])
    assert (b"h" in kinds(here), b"h" in kinds(there)) == (False, False)


def test_i10_who_was_not_told_yet_is_told_before_the_record_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be swept between two of the steps that tell many: here and elsewhere all hear, and it goes at last."""
    monkeypatch.setattr(upstream, "TELL_LIMIT", 3)
    house = House(0, 2, remember_done=0)
    here = [house.submit(f"{LOCAL}.d{n}", upstream=((f"{LOCAL}.up", ""),)) for n in range(5)]
    there = {execution_id(REMOTE, f"r{n}") for n in range(5)}
    which = house.submit(f"{LOCAL}.up")
    for watcher in there:
        house.do(c.Watch(which, watcher))
    house.complete(which)
    house.now = house.record(which).wake_at
    told = set()
    while house.table.execution(which):
        out = house.hear(c.Sweep(house.now))
        told |= {news.id for news in out.homes.get(1, ())}
    assert {house.state(downstream) for downstream in here} == {State.WAITING}
    assert told == there
    assert house.table.execution(which) is None
