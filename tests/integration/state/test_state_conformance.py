"""Every partition keeps the port's promises: the one in memory and the one on Kafka and RocksDB."""

from typing import Any

import pytest

from streams.state.memory import MemoryPartition
from streams.state.partition import BATCH_BYTES, RECORD_OVERHEAD, BatchTooLargeError, Changes, ClosedError


@pytest.fixture(params=["memory", "kafka"])
async def opened(request: pytest.FixtureRequest, ground: Any) -> tuple[Any, Any]:
    """An open partition, and what closes it."""
    if request.param == "memory":
        partition = MemoryPartition(1)
        return partition, partition.close
    room = await ground.room()
    await room.take({ground.tp(1)}, set())
    return room.open[1], room.give_up


async def test_a_new_partition_is_empty(opened: Any) -> None:
    """No marker, no rows."""
    partition, _ = opened
    assert (partition.number, partition.marker) == (1, -1)
    assert partition.get(b"a") is None
    assert partition.scan(b"!", b"\xff", 10) == []


async def test_a_commit_is_visible_at_once_and_counts_in_order(opened: Any) -> None:
    """The last change of a key is its value; derived keys are rows like others."""
    partition, _ = opened
    await partition.commit(Changes([(b"a", b"1"), (b"a", b"2"), (b"b", b"3"), (b"b", None)], [(b"n2a", b"")]), 7)
    assert partition.marker == 7
    assert partition.get_many([b"b", b"a", b"n2a", b"zz"]) == [None, b"2", b"", None]
    assert partition.scan(b"!", b"\xff", 10) == [(b"a", b"2"), (b"n2a", b"")]


async def test_scans_are_ordered_bounded_and_limited(opened: Any) -> None:
    """The start belongs to it, the end does not."""
    partition, _ = opened
    await partition.commit(Changes([(b"k%d" % n, b"") for n in (5, 1, 3, 2, 4)], []), 0)
    assert [k for k, _ in partition.scan(b"k2", b"k5", 10)] == [b"k2", b"k3", b"k4"]
    assert [k for k, _ in partition.scan(b"k2", b"k5", 2)] == [b"k2", b"k3"]
    assert partition.scan(b"k5", b"k2", 10) == []
    assert partition.scan(b"k1", b"k5", 0) == []


async def test_bookkeeping_is_no_row(opened: Any) -> None:
    """A scan from the very first key on does not meet it."""
    partition, _ = opened
    await partition.commit(Changes([(b"a", b"1")], []), 0)
    assert partition.scan(b"", b"\xff", 10) == [(b"a", b"1")]


async def test_a_tick_keeps_the_marker(opened: Any) -> None:
    """Nothing was read, something was decided."""
    partition, _ = opened
    await partition.commit(Changes([(b"a", b"1")], []), 3)
    await partition.commit(Changes([(b"a", b"2")], []), 3)
    assert (partition.marker, partition.get(b"a")) == (3, b"2")
    with pytest.raises(ValueError, match="marker 2 is behind 3"):
        await partition.commit(Changes([], []), 2)


@pytest.mark.parametrize("key", [b"", b"\0marker", b"\x1fx", b" x"])
async def test_reserved_keys_are_refused(opened: Any, key: bytes) -> None:
    """They could be taken for the room's own."""
    partition, _ = opened
    for changes, derived in ([(key, b"")], []), ([], [(key, b"")]):
        with pytest.raises(ValueError, match="reserved"):
            await partition.commit(Changes(changes, derived), 0)
    assert partition.marker == -1


async def test_the_largest_commit_fits_and_a_larger_one_changes_nothing(opened: Any) -> None:
    """The limit is of keys, values and an overhead for each."""
    partition, _ = opened
    half = BATCH_BYTES // 2 - RECORD_OVERHEAD - 1
    await partition.commit(Changes([(b"a", bytes(half)), (b"b", bytes(half))], []), 0)
    with pytest.raises(BatchTooLargeError, match="split the input"):
        await partition.commit(Changes([(b"a", bytes(half)), (b"b", bytes(half)), (b"c", b"")], []), 1)
    assert (partition.marker, len(partition.get(b"a")), partition.get(b"c")) == (0, half, None)


async def test_a_closed_partition_refuses_everything(opened: Any) -> None:
    """It may be another process's by now."""
    partition, close = opened
    close()
    with pytest.raises(ClosedError):
        partition.get(b"a")
    with pytest.raises(ClosedError):
        partition.get_many([b"a"])
    with pytest.raises(ClosedError):
        partition.scan(b"a", b"b", 1)
    with pytest.raises(ClosedError):
        await partition.commit(Changes([], []), 0)
