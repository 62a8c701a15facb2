"""Who waits for whom, and what ends by itself, over a table and what has changed since its last save."""

from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from simulated.node import content, run

from streams.engine.records import Execution, State
from streams.stages.ends import AGAIN, NEVER, Ends
from streams.stages.overlay import Overlay
from streams.stages.task_table import TaskTable
from streams.stages.watches import Watches
from streams.state.memory import MemoryPartition

IDS = [bytes((n,)) * 16 for n in (0, 7, 255)]
STEPS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "commit", "expect")), st.sampled_from(IDS), st.sampled_from(IDS)),
    max_size=30,
)


@given(STEPS, st.sampled_from([b"", *IDS]), st.integers(1, 4), st.sampled_from([(1, 1), (1, 9), (9, 1), (9, 9)]))
def test_those_who_wait_are_known_in_order(
    steps: list[tuple[str, bytes, bytes]], after: bytes, limit: int, remembered: tuple[int, int]
) -> None:
    """Whatever came, went and was committed, however much is remembered; when nobody waits, nothing is left."""
    with patch.multiple("streams.stages.watches", FEW=remembered[0], LATELY=remembered[1]):
        _play(steps, after, limit)


def _play(steps: list[tuple[str, bytes, bytes]], after: bytes, limit: int) -> None:
    base = MemoryPartition()
    overlay = Overlay(base)
    watches, model = Watches(base, overlay), {}
    for n, (what, execution, watcher) in enumerate(steps):
        if what == "add":
            watches.add(execution, watcher, watcher)
            model[execution, watcher] = watcher
        elif what == "remove":
            watches.remove(execution, watcher)
            model.pop((execution, watcher), None)
        elif what == "expect":
            watches.expect([execution, watcher])
        else:
            run(base.commit(overlay.changes(), n))
            overlay.clear()
            watches.saved()
    for execution in IDS:
        there = sorted((w, known_as) for (e, w), known_as in model.items() if e == execution)
        assert watches.of(execution, after, limit) == tuple(p for p in there if p[0] > after)[:limit]
        assert watches.any(execution) == bool(there)
        for who, _ in there:
            watches.remove(execution, who)
    run(base.commit(overlay.changes(), 100))
    assert content(base) == []


def test_the_thousandth_watcher_writes_no_more_than_the_first() -> None:
    """Each is a key of its own."""
    overlay = Overlay(MemoryPartition())
    watches = Watches(MemoryPartition(), overlay)
    weights = []
    for n in range(1_000):
        watches.add(bytes(16), n.to_bytes(16, "big"), bytes(16))
        weights.append(overlay.weight)
    grown = [after - before for before, after in pairwise(weights)]
    assert set(grown) == {grown[-1]}


def test_a_sweep_is_asked_for_when_something_ends_and_not_twice_at_once() -> None:
    """Nothing is asked for while nothing has ended, and again later where a sweep has not done all."""
    ends = Ends(Overlay(MemoryPartition()))
    assert (ends.due(10), ends.next) == (False, NEVER)
    ends.add(b"da", 100)
    ends.add(b"gb", 50)
    ends.remove(b"gb")
    ends.add(b"gb", 70)
    assert ends.next == 50
    assert (ends.due(69), ends.next) == (False, 70)
    assert (ends.due(70), ends.due(71)) == (True, False)
    assert ends.over(99, 10) == [b"gb"]
    ends.remove(b"gb")
    assert ends.over(100, 10) == [b"da"]
    assert ends.due(70 + AGAIN)


@pytest.mark.parametrize("saved", [True, False])
def test_i10_a_timer_for_the_same_moment_rings_again_for_what_the_record_became(*, saved: bool) -> None:
    """An attempt that times out at the very moment when the next one is due."""
    partition = MemoryPartition()
    table = TaskTable(partition)
    runs = Execution(IDS[0], "t", "r", "external", State.RUNNING, wake_at=3_000)
    table.put_execution(None, runs)
    if saved:
        run(partition.commit(table.changes(), 0))
        table.saved()
    assert table.ring(3_000, 10) == [runs.id]
    table.put_execution(runs, replace(runs, state=State.RETRYING, version=2))
    assert table._timers.next == 3_000
    assert table.ring(3_000, 10) == [runs.id]
