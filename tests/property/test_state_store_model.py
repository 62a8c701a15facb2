"""The store is an ordered map, wherever the border between its write buffer and RocksDB runs."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from streams.state.memory import MemoryPartition
from streams.state.partition import Change
from streams.state.store import Position, Store

keys = st.sampled_from([b"a", b"a1", b"a2", b"b", b"ba", b"c"])
changes = st.lists(st.tuples(keys, st.sampled_from([None, b"", b"1", b"2" * 300])), max_size=8)
borders = st.sampled_from([b"!", b"a", b"a1", b"a2\0", b"b", b"bb", b"c", b"d", b"\xff"])


class StoreMachine(RuleBasedStateMachine):
    """Writes, flushes and restarts in any order; reads are compared with a dict's."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "t-0"
        self.store = Store(self.path)
        self.model = MemoryPartition()
        self.log: list[list[Change]] = []
        self.flushed = 0

    @rule(batch=changes)
    def write(self, batch: list[Change]) -> None:
        """A commit."""
        self.log.append(batch)
        fresh = {key for key, _ in batch if self.model.get(key) is None}
        self.store.write(batch, Position(len(self.log) - 1, 1, 1), fresh)
        for change in batch:
            self.model._set(*change)

    @rule()
    def flush(self) -> None:
        """All goes to RocksDB."""
        self.store.flush()
        self.flushed = len(self.log)

    @rule()
    def restart(self) -> None:
        """An orderly end keeps all."""
        self.store.close()
        self.store = Store(self.path)
        self.flushed = len(self.log)
        assert self.store.position.offset == len(self.log) - 1

    @rule()
    def kill(self) -> None:
        """A kill loses what was not flushed, and the position says so; it comes again from the log."""
        self.store._db.close()
        self.store = Store(self.path)
        assert self.store.position.offset == self.flushed - 1
        for number, batch in enumerate(self.log[self.flushed :], self.flushed):
            self.store.write(batch, Position(number, 1, 1))

    @rule(wanted=st.lists(keys, max_size=5))
    def get(self, wanted: list[bytes]) -> None:
        """One by one, and together."""
        values = self.model.get_many(wanted)
        assert self.store.get_many(wanted) == values == [self.store.get(key) for key in wanted]

    @rule(start=borders, end=borders, limit=st.integers(0, 7))
    def scan(self, start: bytes, end: bytes, limit: int) -> None:
        """In order, as many as were asked for."""
        assert self.store.scan(start, end, limit) == self.model.scan(start, end, limit)

    def teardown(self) -> None:
        """Let the folder go."""
        self.store.close()
        self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
