from hypothesis import given
from hypothesis import strategies as st

from sinks.notify.progress import MEMO_LIMIT, Line, read_memo


def test_the_offset_waits_for_the_slowest() -> None:
    """It is the first message that is not all done; what is done beyond stands in the memo."""
    line = Line()
    assert line.commit() is None
    assert [line.take(5, 1), line.take(6, 2), line.take(7, 0), line.take(8, 1)] == [[0], [0, 1], [], [0]]
    line.done(6, 1)
    line.done(8, 0)
    assert line.commit() == (5, "1:2 2:* 3:*")
    line.done(5, 0)
    assert line.commit() == (6, "0:2 1:* 2:*")
    line.done(6, 0)
    assert line.commit() == (9, "")


def test_a_new_owner_makes_only_what_is_left() -> None:
    """It reads the memo, and keeps what it has not reached yet in its own commits."""
    line = Line(read_memo(5, "1:2 2:* 3:*"))
    assert line.take(5, 1) == [0]
    assert line.commit() == (5, "1:2 2:* 3:*")
    assert [line.take(6, 2), line.take(7, 1), line.take(8, 3)] == [[0], [], []]
    line.done(5, 0)
    line.done(6, 0)
    assert line.commit() == (9, "")


def test_a_strange_memo_is_no_memo() -> None:
    """Another program may have committed for the group."""
    assert [read_memo(1, memo) for memo in ("", "hello", "1:x", "1", "1:2:3")] == [{}] * 5


def test_a_memo_stays_within_kafkas_limit() -> None:
    """What does not fit would be repeated, not lost."""
    line = Line()
    for offset in range(5000):
        for number in line.take(offset, 1):
            if offset:
                line.done(offset, number)
    offset, memo = line.commit() or (-1, "")
    assert offset == 0
    assert 3900 < len(memo) <= MEMO_LIMIT
    assert set(read_memo(0, memo)) == set(range(1, 1 + len(memo.split())))


@given(st.lists(st.integers(0, 4), max_size=30), st.randoms(use_true_random=False))
def test_whenever_it_stops_every_delivery_is_made_once(counts: list[int], random: "object") -> None:
    """Stop after any step and go on from the commit: nothing is left out, nothing that was committed is repeated."""
    made: list[tuple[int, int]] = []
    position, memo = 0, ""
    while position < len(counts):
        line = Line(read_memo(position, memo))
        todo = [(o, n) for o in range(position, len(counts)) for n in line.take(o, counts[o])]
        random.shuffle(todo)  # type: ignore[attr-defined]
        for offset, number in todo[: 1 + len(todo) // 2]:
            line.done(offset, number)
            made.append((offset, number))
        position, memo = line.commit() or (len(counts), "")
    assert sorted(made) == [(o, n) for o in range(len(counts)) for n in range(counts[o])]
