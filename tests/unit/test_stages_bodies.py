"""Bodies in memory: what is kept of them, and for how long."""

from streams.stages.bodies import LARGEST, OVERHEAD, Bodies

BODY = b"call", b"payload"
SIZE = len(b"callpayload") + OVERHEAD


def test_a_body_is_given_out_once() -> None:
    """Its room is free again; one that was read ahead is there until the next save."""
    bodies = Bodies(2 * SIZE)
    bodies.keep(b"a", BODY)
    bodies.read_ahead({b"b": BODY})
    assert b"a" in bodies
    assert bodies.room == SIZE
    assert bodies.give_out(b"a") == BODY
    assert bodies.give_out(b"a") is None
    assert bodies.room == 2 * SIZE
    assert bodies.give_out(b"b") == bodies.give_out(b"b") == BODY
    bodies.saved()
    assert bodies.give_out(b"b") is None


def test_who_comes_late_finds_no_room() -> None:
    """Those who came first stay; a body that is kept already takes no more of it, and a large one none."""
    bodies = Bodies(2 * SIZE)
    for which in (b"a", b"a", b"b", b"c"):
        bodies.keep(which, BODY)
    assert [which in bodies for which in (b"a", b"b", b"c")] == [True, True, False]
    roomy = Bodies(100 * LARGEST)
    roomy.keep(b"d", (b"", b"x" * LARGEST))
    assert b"d" not in roomy


def test_what_ends_leaves_nothing() -> None:
    """Kept or read ahead."""
    bodies = Bodies(SIZE)
    bodies.keep(b"a", BODY)
    bodies.read_ahead({b"a": BODY})
    bodies.drop(b"a")
    assert bodies.give_out(b"a") is None
    assert bodies.room == SIZE
