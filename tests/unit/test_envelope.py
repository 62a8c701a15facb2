"""Envelopes: as few as hold the items, in order, each within the limit."""

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.commands import Execute
from streams.envelope import HEAD, pack, task_commands


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(50, 1_000))
def test_envelopes_keep_order_and_limit_and_are_few(sizes: list[int], limit: int) -> None:
    """Only an item that is larger than the limit has an envelope that is; two neighbours would not fit into one."""
    items = [Execute(bytes(16), "t", str(n), 1, payload=bytes(size)) for n, size in enumerate(sizes)]
    envelopes = list(pack(items, limit))
    read = [task_commands(envelope) for envelope in envelopes]
    assert [item for envelope in read for item in envelope] == items
    assert all(len(envelope) <= limit or len(held) == 1 for envelope, held in zip(envelopes, read, strict=True))
    assert all(len(a) + len(next(pack(b[:1]))) - HEAD > limit for a, b in zip(envelopes, read[1:], strict=False))
