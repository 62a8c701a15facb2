"""The RocksDB folder of one table partition, without Kafka."""

import os
from pathlib import Path

import pytest

from streams.state.partition import StateError
from streams.state.store import CorruptStoreError, LockHeldError, Position, Store, _shared_cache


def test_a_position_is_written_with_its_changes(tmp_path: Path) -> None:
    """Both or neither: a reopened store knows where it is."""
    store = Store(tmp_path / "t-0")
    store.write([(b"a", b"1"), (b"b", b"2"), (b"b", None)], Position(7, 1_000, 2_000))
    store.close()
    store = Store(tmp_path / "t-0")
    assert (store.position, store.get_many([b"a", b"b"])) == (Position(7, 1_000, 2_000), [b"1", None])
    store.close()


def test_a_new_store_is_before_the_first_record(tmp_path: Path) -> None:
    """Nothing applied, no input read."""
    store = Store(tmp_path / "t-0")
    assert (store.position.offset, store.marker) == (-1, -1)
    store.close()


def test_a_wiped_store_begins_again(tmp_path: Path) -> None:
    """As if it had never been."""
    store = Store(tmp_path / "t-0")
    store.write([(b"a", b"1")], Position(7, 1, 1))
    store.wipe()
    assert (store.position.offset, store.items()) == (-1, [])
    store.close()


def test_a_second_opening_is_refused(tmp_path: Path) -> None:
    """One folder, one owner; nothing is wiped."""
    store = Store(tmp_path / "t-0")
    store.write([(b"a", b"1")], Position(0, 1, 1))
    with pytest.raises(LockHeldError, match="need a HEADRACE_HOME each"):
        Store(tmp_path / "t-0")
    assert store.get(b"a") == b"1"
    store.close()


def test_a_folder_that_the_disk_refuses_is_not_wiped(tmp_path: Path) -> None:
    """Too many open files say nothing about what is in it."""
    store = Store(tmp_path / "t-0")
    error = Exception("IO error: While open a file: Too many open files")
    with pytest.raises(StateError, match="cannot be opened"):
        store._open_again(error)
    store.close()
    assert (tmp_path / "t-0" / "CURRENT").exists()


def test_a_scan_over_a_damaged_block_raises_and_does_not_just_end(tmp_path: Path) -> None:
    """The binding's own iterators end there as if it were the last row."""
    store = Store(tmp_path / "t-0")
    store.write([(b"k%05d" % n, os.urandom(100)) for n in range(5_000)], Position(1, 1, 1))
    store.close()
    table = next((tmp_path / "t-0").glob("*.sst"))
    with table.open("r+b") as file:
        file.seek(200_000)
        file.write(bytes(20_000))
    store = Store(tmp_path / "t-0")
    with pytest.raises(CorruptStoreError):
        store.scan(b"k", b"l", 5_000)
    assert len(store.scan(b"k", b"l", 10)) == 10
    store.close()
    rebuilt = Store(tmp_path / "t-0")
    assert rebuilt.position.offset == -1
    rebuilt.close()


def test_all_stores_of_a_process_share_one_cache() -> None:
    """A cache for each partition would multiply with the partitions."""
    assert _shared_cache() is _shared_cache()


def test_what_comes_and_goes_between_two_flushes_leaves_nothing_on_disk(tmp_path: Path) -> None:
    """Neither a row nor a tombstone; what was there before is taken away."""
    store = Store(tmp_path / "t-0")
    store.write([(b"old", b"1")], Position(0, 1, 1))
    store.flush()
    before = store._db.latest_sequence_number()
    store.write([(b"short", b"1"), (b"old", b"2")], Position(1, 1, 1), {b"short"})
    store.write([(b"short", None), (b"old", None)], Position(2, 1, 1))
    store.flush()
    assert store._db.latest_sequence_number() - before == 3  # `old`, the position, and what is derived
    assert store.scan(b"!", b"\xff", 10) == []
    store.close()


def test_a_full_buffer_goes_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a kill never has much to read again."""
    monkeypatch.setattr("streams.state.store.BUFFER_BYTES", 10_000)
    store = Store(tmp_path / "t-0")
    for number in range(100):
        store.write([(b"k%d" % number, bytes(1_000))], Position(number, 1, 1))
    store._db.close()
    store = Store(tmp_path / "t-0")
    assert 80 < store.position.offset < 99
    assert len(store.scan(b"k", b"l", 200)) == store.position.offset + 1
    store.close()
