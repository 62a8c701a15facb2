"""What the log of steps says of critical executions and those whom they overtook."""

from collections.abc import Iterator

from streams.bench.overtaking import judge
from streams.engine.events import Moved
from streams.engine.records import Execution, State

HIGH = b"critical"


def waits(which: bytes, at: int = 0) -> Moved:
    """It enters the line."""
    return Moved("created", at, Execution(which, "t", "r", "python", State.WAITING, ready_at=at))


def given(which: bytes, worker: str, seq: int, at: int, started: int = 0) -> Iterator[Moved]:
    """It is given to a worker, and ends."""
    record = Execution(
        which, "t", "r", "python", State.DISPATCHED, 2, ready_at=0, worker=worker, seq=seq, dispatched_at=at
    )
    yield Moved("assigned", at, record)
    ended = Execution(which, "t", "r", "python", State.SUCCEEDED, 3, worker=worker, seq=seq, started_at=started or at)
    yield Moved("succeeded", at, ended)


def test_a_critical_one_that_is_given_next_overtook_all() -> None:
    """What had been given away before it came does not count, nor does what a takeover repeats."""
    low = [waits(b"%d" % n) for n in range(5)]
    steps = [*low, *given(b"0", "w", 1, 100), waits(HIGH, 150), low[1], *given(HIGH, "w", 2, 200, 205)]
    way = judge([*steps, *given(b"1", "w", 3, 300)], frozenset([HIGH]))
    assert way.given[HIGH] == (0, 200, 205, 0, 0)
    assert way.left == 4


def test_low_ones_given_away_while_it_waits_are_counted() -> None:
    """By its own worker and by others."""
    steps = [waits(b"0"), waits(b"1"), waits(b"2"), *given(b"0", "w", 1, 90), waits(HIGH, 100)]
    steps += [*given(b"1", "v", 1, 200), *given(b"2", "w", 2, 300), *given(HIGH, "w", 3, 310)]
    assert judge(steps, frozenset([HIGH])).given[HIGH].overtaken == 2


def test_low_ones_that_its_worker_held_and_started_first_are_counted() -> None:
    """Only those that started behind its dispatch and before its start."""
    steps = [*given(b"0", "w", 1, 100, 200), *given(b"1", "w", 2, 100, 310), *given(b"2", "w", 3, 100, 900)]
    steps += [*given(b"3", "v", 1, 100, 320), waits(HIGH, 250), *given(HIGH, "w", 4, 300, 350)]
    assert judge(steps, frozenset([HIGH])).given[HIGH].held == 1


def test_what_has_not_started_is_not_told_of() -> None:
    """A critical one that nobody was given says nothing yet."""
    assert judge([waits(b"0"), waits(HIGH)], frozenset([HIGH])).given == {}
