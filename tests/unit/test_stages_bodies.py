"""Bodies in memory: whose are kept, and for how long."""

import pytest

from streams.engine.records import Execution, State
from streams.stages.bodies import LARGEST, OVERHEAD, Bodies

BODY = b"call", b"payload"
SIZE = len(b"callpayload") + OVERHEAD


def made(which: bytes, state: State = State.WAITING, kind: str = "python") -> Execution:
    """An execution as it is made."""
    return Execution(which, "t", "r", kind, state)


def test_a_body_is_given_out_once() -> None:
    """Its room is free again; one that was read ahead is there until the next save."""
    bodies = Bodies(2 * SIZE)
    bodies.keep(made(b"a"), BODY)
    bodies.read_ahead({b"b": BODY})
    assert b"a" in bodies
    assert bodies.room == SIZE
    assert bodies.give_out(b"a") == BODY
    assert bodies.give_out(b"a") is None
    assert bodies.room == 2 * SIZE
    assert bodies.give_out(b"b") == bodies.give_out(b"b") == BODY
    bodies.saved()
    assert bodies.give_out(b"b") is None


def test_the_oldest_make_room() -> None:
    """A line that nobody serves holds nothing for ever; who is kept already takes no more of it."""
    bodies = Bodies(2 * SIZE)
    for which in (b"a", b"a", b"b", b"c"):
        bodies.keep(made(which), BODY)
    assert [which in bodies for which in (b"a", b"b", b"c")] == [False, True, True]
    assert bodies.room == 0


@pytest.mark.parametrize("more", [0, 1])
def test_a_large_body_is_not_kept(more: int) -> None:
    """Few of those would leave no room for others."""
    bodies = Bodies(100 * LARGEST)
    bodies.keep(made(b"a"), (b"", b"x" * (LARGEST + more)))
    assert (b"a" in bodies) is not more


@pytest.mark.parametrize(
    ("state", "kind", "kept"),
    [
        (State.WAITING, "python", True),
        (State.BLOCKED, "python", True),
        (State.SCHEDULED, "python", False),
        (State.RUNNING, "external", False),
        (State.BLOCKED, "sleep", False),
    ],
)
def test_who_will_not_be_given_out_soon_takes_no_room(state: State, kind: str, kept: bool) -> None:  # noqa: FBT001  (a parameter)
    """Who waits for its time, and who needs no worker."""
    bodies = Bodies(SIZE)
    bodies.keep(made(b"a", state, kind), BODY)
    assert (b"a" in bodies) is kept


def test_what_ends_leaves_nothing() -> None:
    """Kept or read ahead."""
    bodies = Bodies(SIZE)
    bodies.keep(made(b"a"), BODY)
    bodies.read_ahead({b"a": BODY})
    bodies.drop(b"a")
    assert bodies.give_out(b"a") is None
    assert bodies.room == SIZE
