"""A twin of the RocksDB store: what was written to it survives its process, as the page cache does a kill -9."""

from collections.abc import Iterable
from pathlib import Path

from streams.state.memory import MemoryPartition
from streams.state.partition import NO_MARKER, Change
from streams.state.store import FIRST_KEY, MARKER, Position


class Folder:
    """What one folder holds."""

    def __init__(self) -> None:
        self.rows = MemoryPartition()
        self.position = Position()


class Disk:
    """The disks of all machines, by path."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folder] = {}

    def open(self, path: Path) -> "DiskStore":
        """Instead of streams.state.store.Store."""
        return DiskStore(path, self._folders.setdefault(path, Folder()))


class DiskStore:
    """See streams.state.store.Store."""

    def __init__(self, path: Path, folder: Folder) -> None:
        self.path = path
        self._folder = folder

    @property
    def position(self) -> Position:
        """How far into the changelog it is."""
        return self._folder.position

    @property
    def marker(self) -> int:
        """The last applied input's offset."""
        value = self.get(MARKER)
        return NO_MARKER if value is None else int(value)

    def get(self, key: bytes) -> bytes | None:
        """A value, or None."""
        return self._folder.rows.get(key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """Values, in the order of their keys."""
        return self._folder.rows.get_many(keys)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Pairs of the table, in order."""
        return self._folder.rows.scan(max(start, FIRST_KEY), end, limit)

    def write(self, changes: Iterable[Change], position: Position) -> None:
        """All or nothing."""
        for key, value in changes:
            self._folder.rows._set(key, value)
        self._folder.position = position

    def wipe(self) -> None:
        """Empty it."""
        self._folder.rows = MemoryPartition()
        self._folder.position = Position()

    def close(self) -> None:
        """Nothing to flush."""
