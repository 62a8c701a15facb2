"""One table partition on disk: a RocksDB folder whose content is always a prefix of its changelog."""

import logging
import shutil
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, ReadOptions, WriteBatch

from streams.state.partition import NO_MARKER, Change, StateError

MARKER = b"\x00marker"
"""Key of the last applied input offset, decimal. A record of the changelog like any other."""

FENCE = b"\x00fence"
"""Key of the record that a new owner writes first."""

POSITION = b"\x00position"
"""Key of `Position`; in the store only."""

FIRST_KEY = b"!"
"""What sorts before it is bookkeeping."""

NO_OFFSET = -1
"""The offset of a store that holds nothing yet."""

CACHE_BYTES = 128 * 1024 * 1024
MEMTABLE_BYTES = 16 * 1024 * 1024
CONDEMNED = "CONDEMNED"
TRANSIENT = ("No space left", "Permission denied", "Too many open files", "Read-only file system", "Input/output error")

log = logging.getLogger(__name__)


class LockHeldError(StateError):
    """Another process has the folder open."""


class CorruptStoreError(StateError):
    """RocksDB found damaged data while running; the folder is rebuilt from the changelog at the next start."""


class Position(NamedTuple):
    """How far into the changelog a store is. Times are epoch milliseconds."""

    offset: int = NO_OFFSET
    at: int = 0
    """The time of the record at `offset`."""
    fresh: int = 0
    """When the store last had everything, or was last empty."""


PACKED = struct.Struct(">qqq")


@cache
def _shared_cache() -> Cache:
    """The one block cache of this process: a cache for each partition would multiply with the partitions."""
    return Cache(CACHE_BYTES)


def _options() -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_shared_cache())
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_open_files(512)
    options.set_keep_log_file_num(2)
    # lines of keys that come and go leave tombstones behind: compact where they gather
    options.add_compact_on_deletion_collector_factory(8_192, 4_096, 0.5)
    return options


def _is_lock(error: Exception) -> bool:
    return "lock" in str(error).lower() and str(error).startswith("IO error")


def _is_transient(error: Exception) -> bool:
    return any(word in str(error) for word in TRANSIENT)


class Store:
    """Ordered bytes. Opening it wipes a folder that RocksDB cannot read; nothing here awaits.

    Raises LockHeldError where another process has the folder, StateError where the disk does not let it in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = self._open()
        try:
            self.position = self._read_position()
        except CorruptStoreError:
            self.wipe()
            log.warning("%s was corrupt: it is rebuilt from its changelog", path)

    @property
    def marker(self) -> int:
        """The last applied input's offset, or -1."""
        value = self.get(MARKER)
        return NO_MARKER if value is None else int(value)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # noqa: BLE001  (the binding raises plain Exception for everything)
            self._condemn(error)
        return value

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order."""
        if not keys:
            return []
        try:
            return list(self._db.get(keys))
        except Exception as error:  # noqa: BLE001  (the same)
            self._condemn(error)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` pairs of the table from `start` on, before `end`."""
        return [] if start >= end else self._scan(max(start, FIRST_KEY), limit, end)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Everything in the folder, bookkeeping too: for tests and repairs of small tables."""
        return self._scan(b"", None, None)

    def write(self, changes: Iterable[Change], position: Position) -> None:
        """Apply changes and the new position, all or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(POSITION, PACKED.pack(*position))
        with self._watched():
            self._db.write(batch)
        self.position = position

    def wipe(self) -> None:
        """Empty it, to be filled from the changelog's beginning."""
        self._db.close()
        shutil.rmtree(self.path)
        self._db = self._open()
        self.position = self._read_position()

    def close(self) -> None:
        """Flush and let the folder go."""
        try:
            self._db.flush()
        except Exception:
            # what could not be flushed is in RocksDB's own log, and in the changelog
            log.warning("%s could not be flushed", self.path, exc_info=True)
        self._db.close()

    def _scan(self, start: bytes, limit: int | None, end: bytes | None) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, bytes]] = []
        with self._watched():
            cursor = self._db.iter(self._until(end))
            cursor.seek(start)
            while cursor.valid() and (limit is None or len(rows) < limit):
                rows.append((cursor.key(), cursor.value()))
                cursor.next()
            cursor.status()  # a damaged block ends an iterator like the last row does: only this tells
        return rows

    @staticmethod
    def _until(end: bytes | None) -> ReadOptions:
        options = ReadOptions()
        if end is not None:
            options.set_iterate_upper_bound(end)
        return options

    def _read_position(self) -> Position:
        packed = self.get(POSITION)
        return Position(fresh=int(time.time() * 1000)) if packed is None else Position(*PACKED.unpack(packed))

    def _open(self) -> Rdict:
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / CONDEMNED).exists():
            self._throw_away("damaged data was found in it")
        try:
            return Rdict(str(self.path), _options())
        except Exception as error:  # noqa: BLE001  (the binding raises plain Exception for everything)
            return self._open_again(error)

    def _open_again(self, error: Exception) -> Rdict:
        if _is_lock(error):
            raise LockHeldError(
                f"{self.path} is in use by another process: two on one machine need a `home` each"
            ) from error
        if _is_transient(error):
            raise StateError(f"{self.path} cannot be opened: {str(error)[:200]}") from error
        self._throw_away(str(error)[:200])
        return Rdict(str(self.path), _options())

    def _throw_away(self, why: str) -> None:
        log.warning("%s is corrupt (%s): it is wiped and rebuilt from its changelog", self.path, why)
        shutil.rmtree(self.path)
        self.path.mkdir(parents=True)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  (the same)
            self._condemn(error)

    def _condemn(self, error: Exception) -> NoReturn:
        """Raise it; where it tells of damaged data, have the next start rebuild the folder."""
        if not str(error).startswith("Corruption"):
            raise error
        (self.path / CONDEMNED).touch()
        raise CorruptStoreError(f"{self.path} is corrupt ({str(error)[:200]})") from error
