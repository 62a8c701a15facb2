"""A twin of the RocksDB store: a kill -9 leaves what was flushed, some commits ago, and its position."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from streams.state.memory import MemoryPartition
from streams.state.partition import NO_MARKER, Change, Derive
from streams.state.store import FIRST_KEY, LAST_KEY, MARKER, Position

FLUSH_EVERY = 5
"""Commits that a kill may lose."""


class Folder:
    """What one folder holds."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.position = Position()
        self.bare = False


class Disk:
    """The disks of all machines, by path."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folder] = {}

    def open(self, path: Path, _layout: int) -> "DiskStore":
        """Instead of streams.state.store.Store: all who use it are of one version."""
        return DiskStore(path, self._folders.setdefault(path, Folder()))


class DiskStore:
    """See streams.state.store.Store."""

    def __init__(self, path: Path, folder: Folder) -> None:
        self.path = path
        self._folder = folder
        self._newest: dict[bytes, bytes | None] = {}
        self._commits = 0
        self._read_folder()

    @property
    def marker(self) -> int:
        """The last applied input's offset."""
        value = self.get(MARKER)
        return NO_MARKER if value is None else int(value)

    def get(self, key: bytes) -> bytes | None:
        """A value, or None."""
        return self._rows.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """Values, in the order of their keys."""
        return self._rows.get_many(keys)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs of the table, in order."""
        return self._rows.scan(max(start, FIRST_KEY), end, limit)

    def write(self, changes: Iterable[Change], position: Position, fresh: AbstractSet[bytes] = frozenset()) -> None:
        """All or nothing; on disk with some later one. Raises AssertionError where a fresh key is none."""
        if known := [key for key in fresh if self._rows.get(key) is not None]:
            raise AssertionError(f"{known[0]!r} is in the table already")
        for key, value in changes:
            self._rows._set(key, value)
            self._newest[key] = value
        self.position = position
        self._commits += 1
        if self._commits % FLUSH_EVERY == 0:
            self._flush()

    def derive_all(self, derive: Derive) -> Iterator[None]:
        """In two steps, each at once on disk; a kill may come between."""
        rows = self._rows.scan(FIRST_KEY, LAST_KEY, 1_000_000)
        gone: list[Change] = [(key, None) for key, _ in rows if key[0] in derive.derived]
        derived = [change for key, value in rows for change in derive(key, None, value)]
        half = len(derived) // 2
        for step in (gone + derived[:half], derived[half:]):
            for key, value in step:
                self._rows._set(key, value)
                self._newest[key] = value
            self._flush()
            yield
        self.bare = False
        self._flush()

    def wipe(self) -> None:
        """Empty it."""
        self._folder.rows, self._folder.position, self._folder.bare = {}, Position(), False
        self._newest.clear()
        self._read_folder()

    def close(self) -> None:
        """All goes to disk."""
        self._flush()

    def _read_folder(self) -> None:
        self._rows = MemoryPartition()
        for key, value in self._folder.rows.items():
            self._rows._set(key, value)
        self.position, self.bare = self._folder.position, self._folder.bare

    def _flush(self) -> None:
        for key, value in self._newest.items():
            if value is None:
                self._folder.rows.pop(key, None)
            else:
                self._folder.rows[key] = value
        self._folder.position, self._folder.bare = self.position, self.bare
        self._newest.clear()
