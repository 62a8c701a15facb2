"""A line of any length against a sorted list."""

from bisect import insort
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.node import run

from streams.engine import line
from streams.engine.commands import Ready
from streams.engine.line import Line, place_of, priority_of
from streams.stages.overlay import Overlay
from streams.state.memory import MemoryPartition

PLACES = st.builds(
    lambda priority, deadline, n: place_of(Ready("p", n.to_bytes(16, "big"), 1, priority, deadline, deadline)),
    st.integers(0, 9),
    st.integers(1, 4),
    st.integers(0, 9),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), PLACES),
        st.tuples(st.just("add"), PLACES),
        st.tuples(st.just("remove"), PLACES),
        st.tuples(st.sampled_from(("pop", "pop", "commit", "restart")), st.none()),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_a_line_is_a_sorted_set(steps: list[tuple[str, bytes | None]]) -> None:
    """I5: whatever is added, removed, popped, committed or restarted, the least place leaves first and counts agree."""
    with patch.object(line, "HEAD", 3), patch.object(line, "HEAD_LIMIT", 6):
        _compare(steps)


def _compare(steps: list[tuple[str, bytes | None]]) -> None:
    base = MemoryPartition()
    overlay = Overlay(base)
    one, model = Line(overlay, "p"), []
    for what, place in steps:
        if what == "add":
            one.add(place, 1)
            if place not in model:
                insort(model, place)
        elif what == "remove":
            one.remove(place)
            if place in model:
                model.remove(place)
        elif what == "pop":
            expected = model.pop(0)[-16:] if model else None
            found = one.pop()
            assert (found[0] if found else None) == expected
        else:
            one.save()
            run(base.commit(overlay.changes(), base.marker + 1))
            overlay.clear()
            if what == "restart":
                overlay = Overlay(base)
                one = Line(overlay, "p")
        counts = [sum(priority_of(place) == priority for place in model) for priority in range(10)]
        assert one.waiting == counts
