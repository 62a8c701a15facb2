"""What has changed since the last save, over its table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated.node import run

from streams.stages.overlay import Overlay
from streams.state.memory import MemoryPartition
from streams.state.partition import Changes, batch_bytes

KEYS = st.sampled_from([bytes((k,)) for k in b"abcdefgh"])
CHANGES = st.lists(st.tuples(st.sampled_from(("put", "delete", "derive", "commit")), KEYS), max_size=40)


@given(CHANGES, st.integers(1, 8), KEYS, KEYS)
def test_a_scan_sees_the_table_as_it_will_be(
    changes: list[tuple[str, bytes]], limit: int, start: bytes, end: bytes
) -> None:
    """Whatever was put, taken away or derived on top of whatever was committed, in order and within limits."""
    base = MemoryPartition()
    overlay, model = Overlay(base), {}
    for n, (what, key) in enumerate(changes):
        value = b"%d" % n
        if what == "put":
            overlay.put(key, value)
            model[key] = value
        elif what == "delete":
            overlay.delete(key)
            model.pop(key, None)
        elif what == "derive":
            overlay.derive(key.upper(), value)
            model[key.upper()] = value
        else:
            run(base.commit(overlay.changes(), n))
            overlay.clear()
    expected = [pair for pair in sorted(model.items()) if start <= pair[0] < end]
    assert overlay.scan(start, end, limit) == expected[:limit]
    assert overlay.scan(b"A", b"z", 100) == sorted(model.items())
    assert all(overlay.get(key) == model.get(key) for key in (b"a", b"b", b"c"))


@given(st.lists(st.tuples(st.sampled_from(("set", "take", "commit")), KEYS), max_size=40))
def test_a_key_that_is_surely_new_is_derived_as_any_other(steps: list[tuple[str, bytes]]) -> None:
    """The short way and the plain one show the same at each step and leave the same table."""
    tables = MemoryPartition(), MemoryPartition()
    (short, plain), there = map(Overlay, tables), set()
    for n, (what, key) in enumerate(steps):
        if what == "commit":
            for overlay, base in zip((short, plain), tables, strict=True):
                run(base.commit(overlay.changes(), n))
                overlay.clear()
        elif what == "take":
            short.derive(key, None)
            plain.derive(key, None)
            there.discard(key)
        elif key not in there:
            short.derive_new(key)
            plain.derive(key, b"")
            there.add(key)
        assert short.scan(b"a", b"z", 100) == plain.scan(b"a", b"z", 100) == [(k, b"") for k in sorted(there)]
    for overlay, base in zip((short, plain), tables, strict=True):
        run(base.commit(overlay.changes(), len(steps)))
    assert tables[0].scan(b"a", b"z", 100) == tables[1].scan(b"a", b"z", 100) == [(k, b"") for k in sorted(there)]


@pytest.mark.parametrize("key", [b"a", b"A"])
def test_a_key_that_is_called_new_and_is_not_is_refused(key: bytes) -> None:
    """Record or derived key: the twin in memory finds out, where the store would keep what was taken away."""
    base = MemoryPartition()
    run(base.commit(Changes([(b"a", b"1")], [(b"A", b"")]), 0))
    with pytest.raises(AssertionError, match="is in the table already"):
        run(base.commit(Changes([(b"b", b"2")], [], frozenset({key})), 1))
    assert (base.marker, base.get(b"b"), len(base.log)) == (0, None, 1)


@given(CHANGES)
def test_the_weight_is_what_a_commit_takes(changes: list[tuple[str, bytes]]) -> None:
    """However often a key changes, it is counted as the changelog will hold it."""
    base = MemoryPartition()
    overlay = Overlay(base)
    for n, (what, key) in enumerate(changes):
        if what == "put":
            overlay.put(key, b"v" * n)
        elif what == "delete":
            overlay.delete(key)
        elif overlay.get(key) is None:
            overlay.add(key, b"v" * n)
        assert overlay.weight == batch_bytes(overlay.changes().records)
    overlay.clear()
    assert overlay.weight == 0


def test_what_came_and_went_between_two_saves_leaves_no_trace() -> None:
    """A key that was surely new needs no deletion."""
    overlay = Overlay(MemoryPartition())
    overlay.add(b"a", b"1")
    overlay.put(b"a", b"2")
    overlay.delete(b"a")
    assert overlay.changes() == Changes([], [])
    overlay.put(b"b", b"1")
    overlay.delete(b"b")
    assert overlay.changes() == Changes([(b"b", None)], [])
