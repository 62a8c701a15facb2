"""What a stage derives and what recovery derives are the same, however the log is cut."""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.state.partition import Change
from streams.state.replay import apply_records
from streams.state.store import Position, Store


class Record(NamedTuple):
    """What a consumer hands out."""

    offset: int
    key: bytes
    value: bytes | None
    timestamp: int = 1_000


def derive(key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:
    """Keys by value."""
    gone: list[Change] = [] if old is None else [(b"v" + old + key, None)]
    return gone if new is None else [*gone, (b"v" + new + key, b"")]


keys = st.sampled_from([b"a", b"b", b"c"])
values = st.one_of(st.none(), st.sampled_from([b"1", b"2"]))
commits = st.lists(st.lists(st.tuples(keys, values), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None)
@given(commits, st.integers(1, 7))
def test_i6_recovery_derives_what_the_stage_derived(batches: list[list[tuple[bytes, bytes | None]]], cut: int) -> None:
    """The owner writes its own derived keys; a replay in pieces of any size ends with the same rows."""
    with TemporaryDirectory() as folder:
        active, replayed = Store(Path(folder) / "active"), Store(Path(folder) / "replayed")
        log: list[Record] = []
        for batch in batches:
            derived: list[Change] = []
            seen: dict[bytes, bytes | None] = {}
            for key, value in batch:
                derived += derive(key, seen.get(key, active.get(key)), value)
                seen[key] = value
                log.append(Record(len(log), key, value))
            active.write([*batch, *derived], Position(len(log) - 1, 1_000, 0))
        rest = iter(log)
        while piece := list(islice(rest, cut)):
            apply_records("t-0", replayed, derive, piece, end=len(log))
        assert active.scan(b"!", b"\xff", 100) == replayed.scan(b"!", b"\xff", 100)
        active.close()
        replayed.close()
