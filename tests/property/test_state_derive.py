"""What a stage derives and what recovery derives are the same, however the log is cut."""

import shutil
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.state import store as store_module
from streams.state.partition import Change, Derive
from streams.state.replay import apply_records
from streams.state.store import DERIVED, POSITION, Position, Store


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


@pytest.fixture(autouse=True, scope="module")
def _short_steps() -> Iterator[None]:
    """Two keys share a first byte: a step has one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "DERIVE_ROWS", 1)
        yield


keys = st.sampled_from([b"a", b"a\xff", b"b", b"c", b"m"])  # of m nothing follows
values = st.one_of(st.none(), st.sampled_from([b"1", b"2"]))
steps = st.sampled_from(["go on", "flush", "to disk", "kill", "derive", "derive half"])
commits = st.lists(st.lists(st.tuples(keys, values), max_size=6), max_size=8)


def log_of(batches: list[list[Change]], active: Store) -> list[Record]:
    """The changelog of a stage that commits these batches to its store."""
    log: list[Record] = []
    for batch in batches:
        derived: list[Change] = []
        seen: dict[bytes, bytes | None] = {}
        for key, value in batch:
            derived += derive(key, seen.get(key, active.get(key)), value)
            seen[key] = value
            log.append(Record(len(log), key, value))
        active.write([*batch, *derived], Position(len(log) - 1, 1_000, 0))
    return log


def _image(path: Path, to: Path) -> None:
    """What a kill would leave: all files at one moment, in which none was merged away."""
    while True:
        try:
            shutil.copytree(path, to)
        except shutil.Error:
            shutil.rmtree(to)
        else:
            return


def rows(store: Store) -> list[tuple[bytes, bytes]]:
    """The table, without what the store notes of itself."""
    return [row for row in store.items() if row[0] not in {POSITION, DERIVED}]


@settings(max_examples=60, deadline=None)
@given(commits, st.integers(1, 7), st.integers(0, 20))
def test_i6_recovery_derives_what_the_stage_derived(batches: list[list[Change]], cut: int, complete_after: int) -> None:
    """A replay in pieces of any size, first bare and from some record on complete, ends with the stage's own rows."""
    with TemporaryDirectory() as folder:
        active, replayed = Store(Path(folder) / "active"), Store(Path(folder) / "replayed")
        log = log_of(batches, active)
        rest = iter(log)
        while piece := list(islice(rest, cut)):
            apply_records("t-0", replayed, derive, piece, end=len(log))
            if piece[-1].offset >= complete_after and replayed.bare:
                deque(replayed.derive_all(derive), maxlen=0)
        if replayed.bare:
            deque(replayed.derive_all(derive), maxlen=0)
        assert rows(active) == rows(replayed)
        active.close()
        replayed.close()


@settings(max_examples=40, deadline=None)
@given(commits, st.integers(1, 7), st.lists(steps))
def test_i6_a_rebuild_killed_at_any_moment_ends_the_same(
    batches: list[list[Change]], cut: int, fate: list[str]
) -> None:
    """A kill takes what is not on disk; the log is read on from where the folder says."""
    with TemporaryDirectory() as folder:
        active, path = Store(Path(folder) / "active"), Path(folder) / "rebuilt"
        log = log_of(batches, active)
        store, fates = Store(path), iter(fate)
        while piece := log[max(store.position.offset, 0) :][: cut + 1]:
            if piece[-1].offset > store.position.offset:
                apply_records("t-0", store, derive, piece, end=len(log))
            step = next(fates, "go on")
            if step == "flush":
                store.flush()
            elif step == "to disk":
                store.flush()
                store._db.flush()
            elif step == "derive" and store.bare:
                deque(store.derive_all(derive), maxlen=0)
            elif step == "derive half" and store.bare:
                next(store.derive_all(derive), None)
            elif step == "kill":
                _image(path, path.with_name("left"))
                store._db.close()  # which writes what a kill would not have written
                shutil.rmtree(path)
                store = Store(path.with_name("left").rename(path))
            elif store.position.offset == len(log) - 1:
                break
        if store.bare:
            deque(store.derive_all(derive), maxlen=0)
        assert rows(active) == rows(store)
        active.close()
        store.close()
