"""The line of a pool: its order and its counts."""

from streams.engine.commands import Ready
from streams.engine.line import HEAD, HEAD_LIMIT, Line, place_of, priority_of, ready_at_of
from streams.stages.overlay import Overlay
from streams.state.memory import MemoryPartition
from streams.state.partition import Changes


def key(n: int, priority: int = 5, deadline: int = 100, ready_at: int = 50) -> bytes:
    """A place in the line of pool `p`."""
    return place_of(Ready("p", n.to_bytes(16, "big"), 1, priority, deadline, ready_at))


def line() -> tuple[Overlay, Line]:
    """An empty line over an empty table."""
    overlay = Overlay(MemoryPartition())
    return overlay, Line(overlay, "p")


def drain(one: Line) -> list[int]:
    """Everyone in the order in which they leave."""
    return [int.from_bytes(found[0], "big") for found in iter(one.pop, None)]


def test_priority_then_deadline_then_arrival_then_id() -> None:
    """I5: the more critical first, and among equals who must run earlier, then who came earlier."""
    _, one = line()
    for place in (key(6), key(5), key(4, ready_at=49), key(3, deadline=99), key(2, priority=9), key(1, priority=9)):
        one.add(place, 1)
    assert drain(one) == [1, 2, 3, 4, 5, 6]


def test_a_key_tells_what_it_was_made_of() -> None:
    """Priority and arrival can be read from a place."""
    assert (priority_of(key(1, priority=3)), ready_at_of(key(1, ready_at=77))) == (3, 77)


def test_who_stands_in_line_is_counted_once() -> None:
    """A repeated arrival changes nothing, and neither does a repeated leaving."""
    _, one = line()
    for _ in range(2):
        one.add(key(1), 1)
    assert (len(one), one.waiting[5]) == (1, 1)
    for _ in range(2):
        one.remove(key(1))
    assert (len(one), one.pop()) == (0, None)


def test_a_newer_attempt_at_the_same_place_is_the_one_that_counts() -> None:
    """What came back within a millisecond must not be offered under its old number, or it would wait for ever."""
    for popped in (False, True):  # in memory, and only in the table
        _, one = line()
        if popped:
            one.pop()
        for attempt in (1, 2, 1):
            one.add(key(1), attempt)
        assert one.waiting[5] == 1
        assert one.pop() == (key(1)[-16:], 2)


def test_pools_do_not_mix() -> None:
    """Lines of pools whose names begin alike are lines of their own."""
    overlay, one = line()
    other = Line(overlay, "p2")
    other.add(place_of(Ready("p2", bytes(16), 1, 9, 1, 1)), 1)
    one.add(key(7), 1)
    assert drain(one) == [7]
    assert len(other) == 1


def test_a_line_of_any_length_keeps_only_its_head_in_memory() -> None:
    """Ten thousand who arrive in the wrong order leave in the right one, and the memory stays bounded."""
    _, one = line()
    one.pop()  # now all of the (empty) line is known
    count = HEAD_LIMIT + 2 * HEAD
    for n in reversed(range(count)):
        one.add(key(n), 1)
        assert len(one._near) <= HEAD_LIMIT
    assert drain(one) == list(range(count))


def test_who_comes_and_goes_leaves_nothing_behind() -> None:
    """Places given up before anybody was taken from the line cost no memory for ever, and no count is written twice."""
    overlay, one = line()
    one.add(key(0), 1)
    one.pop()
    one.add(key(1), 1)
    for n in range(2, 2 * HEAD_LIMIT):
        one.add(key(n), 1)
        one.remove(key(n))
    assert len(one._heap) <= HEAD_LIMIT
    one.save()
    overlay.clear()
    one.save()
    assert overlay.changes() == Changes([], [])
    assert drain(one) == [1]


def test_counts_and_order_survive_a_restart() -> None:
    """What was saved is what a new line finds."""
    overlay, one = line()
    for n in range(5):
        one.add(key(n, priority=n), 1)
    one.pop()
    one.save()
    again = Line(overlay, "p")
    assert again.waiting == one.waiting == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert drain(again) == [3, 2, 1, 0]


def test_who_waits_longest_is_found() -> None:
    """The oldest of each priority's head counts."""
    _, one = line()
    assert one.oldest() == 0
    one.add(key(1, priority=9, ready_at=30), 1)
    one.add(key(2, priority=1, ready_at=20), 1)
    assert one.oldest() == 20
