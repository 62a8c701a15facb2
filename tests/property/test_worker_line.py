"""The line of a worker against a sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.records import Job
from streams.worker.line import Line, Once, key_of, order_of


def a_job(seq: int, priority: int = 5, deadline: int = 0) -> Job:
    """A job that differs only where order looks."""
    return Job(seq.to_bytes(16, "big"), 1, seq, "w", "t", "r", "function", priority, deadline, 0, b"{}", b"")


places = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=60)


@given(places, st.data())
def test_jobs_leave_in_order_whatever_was_taken_out(drawn: list[tuple[int, int]], data: st.DataObject) -> None:
    """Priority, then deadline, then arrival; jobs that were removed, or taken from the end, do not come."""
    line = Line()
    jobs = [a_job(seq, *place) for seq, place in enumerate(drawn)]
    for job in jobs:
        line.push(job)
    gone = data.draw(st.lists(st.sampled_from(jobs), unique_by=key_of)) if jobs else []
    assert all(line.remove(key_of(job)) for job in gone)
    left = sorted((job for job in jobs if job not in gone), key=order_of)
    last = line.take_last(data.draw(st.integers(0, len(left))))
    assert [*left[: len(left) - len(last)], *reversed(last)] == left
    assert len(line) == len(left) - len(last)
    for job in left[: len(line)]:
        assert line.head() is job
        assert line.pop() is job
    assert line.head() is None


def test_a_job_that_comes_back_stands_in_its_place_once() -> None:
    """Removed and pushed again, it leaves once."""
    line = Line()
    for _ in range(2):
        line.push(a_job(1))
        line.remove(key_of(a_job(1)))
    line.push(a_job(1))
    line.push(a_job(2, priority=9))
    assert [line.pop().seq, line.pop().seq, line.head()] == [2, 1, None]


def test_repetitions_are_known_in_bounded_memory() -> None:
    """What has ended is forgotten only after as many others as are remembered."""
    once = Once(remembered=3, seconds=0.0)
    keys = [(bytes([n]), 1) for n in range(9)]
    for n, key in enumerate(keys):
        assert once.first(key)
        once.ended(key)
        assert not any(once.first(last) for last in keys[max(0, n - 2) : n + 1])
    assert once.first(keys[0])
    assert len(once._held | once._ended | once._before) <= 2 * 3 + 1


def test_i2_what_a_worker_still_has_is_never_forgotten() -> None:
    """A takeover repeats it however long it has been running."""
    once = Once(remembered=2, seconds=0.0)
    runs = b"runs", 1
    assert once.first(runs)
    for n in range(100):
        once.first((bytes([n]), 1))
        once.ended((bytes([n]), 1))
    assert not once.first(runs)


def test_i2_what_ended_a_moment_ago_is_known_whatever_came_since() -> None:
    """A quick worker ends very many while a takeover is under way."""
    once = Once(remembered=2, seconds=3_600.0)
    for n in range(100):
        once.ended((bytes([n]), 1))
    assert not once.first((b"\0", 1))


def test_an_attempt_that_was_stopped_before_it_came_does_not_start() -> None:
    """Its end is told, though the worker never had it."""
    once = Once()
    once.ended((b"a", 1))
    assert not once.first((b"a", 1))
