"""Applying a changelog, without Kafka."""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.state.history import RefusedError, StaleStoreError
from streams.state.partition import Change, Derive
from streams.state.replay import apply_records
from streams.state.store import Position, Store


class Record(NamedTuple):
    """What a consumer hands out."""

    offset: int
    key: bytes
    value: bytes | None
    timestamp: int = 1_000


def by_value(key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
    """Keys by value."""
    gone: list[Change] = [] if old is None else [(b"v" + old + key, None)]
    return gone if new is None else [*gone, (b"v" + new + key, b"")]


derive = Derive(by_value, sources=b"abc", derived=b"v")


def complete(store: Store) -> None:
    """As whoever caught up does."""
    for _ in store.derive_all(derive):
        pass


def content(store: Store) -> dict[bytes, bytes]:
    """The table's rows."""
    return dict(store.scan(b"!", b"\xff", 1_000))


def test_derived_keys_follow_the_record_through_one_batch(tmp_path: Path) -> None:
    """Set, changed and deleted inside the same batch, and across two."""
    store = Store(tmp_path / "t-0")
    first = [Record(0, b"a", b"1"), Record(1, b"a", b"2"), Record(2, b"b", b"1"), Record(3, b"b", None)]
    apply_records("t-0", store, derive, first, end=4)
    complete(store)
    assert content(store) == {b"a": b"2", b"v2a": b""}
    apply_records("t-0", store, derive, [Record(4, b"a", b"3")], end=5)
    assert content(store) == {b"a": b"3", b"v3a": b""}
    store.close()


def test_a_store_built_from_nothing_is_bare_until_it_is_complete(tmp_path: Path) -> None:
    """A process that ends in between does not forget it; what half of it derived is not there in the end."""
    store = Store(tmp_path / "t-0")
    apply_records("t-0", store, derive, [Record(0, b"a", b"1")], end=3)
    store.close()
    store = Store(tmp_path / "t-0")
    assert store.bare
    apply_records("t-0", store, derive, [Record(0, b"a", b"1"), Record(1, b"b", b"2")], end=3)
    next(store.derive_all(derive))
    apply_records("t-0", store, derive, [Record(2, b"a", None)], end=3)
    assert store.bare
    complete(store)
    store.close()
    store = Store(tmp_path / "t-0")
    assert (store.bare, content(store)) == (False, {b"b": b"2", b"v2b": b""})
    store.close()


def test_what_another_version_derived_is_derived_anew(tmp_path: Path) -> None:
    """The records are as they were; until then the store is bare, also after a restart."""
    store = Store(tmp_path / "t-0", layout=1)
    store.write([(b"a", b"1"), (b"v0a", b"")], Position(0, 1_000, 0))
    store.close()
    for _ in range(2):
        store = Store(tmp_path / "t-0", layout=2)
        assert store.bare
        store.close()
    store = Store(tmp_path / "t-0", layout=2)
    complete(store)
    store.close()
    store = Store(tmp_path / "t-0", layout=2)
    assert (store.bare, content(store)) == (False, {b"a": b"1", b"v1a": b""})
    store.close()


def test_records_that_the_store_has_are_not_applied_again(tmp_path: Path) -> None:
    """Reading starts at the store's own last record."""
    store = Store(tmp_path / "t-0")
    apply_records("t-0", store, derive, [Record(0, b"a", b"1"), Record(1, b"a", b"2")], end=2)
    complete(store)
    apply_records("t-0", store, derive, [Record(1, b"a", b"2"), Record(2, b"b", b"1")], end=3)
    assert content(store) == {b"a": b"2", b"b": b"1", b"v1b": b"", b"v2a": b""}
    store.close()


def test_another_log_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """Its record at the store's position is of another time."""
    store = Store(tmp_path / "t-0")
    apply_records("t-0", store, derive, [Record(0, b"a", b"1")], end=1)
    with pytest.raises(RefusedError, match="made anew"):
        apply_records("t-0", store, derive, [Record(0, b"a", b"1", timestamp=2_000)], end=1)
    store.close()


@pytest.mark.parametrize(("hours", "gap", "stale"), [(30, 1, True), (30, 0, False), (1, 1, False)])
def test_a_gap_makes_a_store_stale_that_slept_past_the_life_of_deletions(
    tmp_path: Path, hours: int, gap: int, *, stale: bool
) -> None:
    """A deletion may have been in the gap; without a gap, or after a short sleep, it cannot."""
    store = Store(tmp_path / "t-0")
    asleep_since = int((time.time() - hours * 3_600) * 1_000)
    store.write([(b"a", b"1")], Position(9, 1_000, asleep_since))
    records = [Record(9, b"a", b"1"), Record(10 + gap, b"b", b"1")]
    if stale:
        with pytest.raises(StaleStoreError):
            apply_records("t-0", store, derive, records, end=20)
    else:
        apply_records("t-0", store, derive, records, end=20)
        assert store.position.fresh == asleep_since
    store.close()
