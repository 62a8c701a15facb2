"""One table partition: a RocksDB folder, always at some record of its changelog, and what is newer in memory."""

import logging
import shutil
import struct
import time
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple, NoReturn

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from streams.state.partition import NO_MARKER, Change, Derive, StateError
from streams.state.write_buffer import WriteBuffer

MARKER = b"\x00marker"
"""Key of the last applied input offset, decimal. A record of the changelog like any other."""

FENCE = b"\x00fence"
"""Key of the record that a new owner writes first."""

POSITION = b"\x00position"
"""Key of `Position`; in the store only."""

DERIVED = b"\x00derived"
"""Key of the layout by which all is derived in a store, empty as long as it is bare; in the store only."""

FIRST_KEY, LAST_KEY = b"!", b"\xff"
"""What sorts before the first is bookkeeping; nothing sorts after the last."""

NO_OFFSET = -1
"""The offset of a store that holds nothing yet."""

CACHE_BYTES = 128 * 1024 * 1024
MEMTABLE_BYTES = 64 * 1024 * 1024
"""Keys are hashes, so that every file has keys of all the others: few and large ones cost less."""

RUNS = 8
"""Sorted runs that a table has before some are merged, and more while that goes on; a question looks into each of them,
or into its filter."""

MEMTABLES_BYTES = 4 * MEMTABLE_BYTES
BLOB_BYTES = 512
"""Values from this size on stand in files of their own, which no merge copies; their keys alone are merged."""

BUFFER_BYTES = 8 * 1024 * 1024
BUFFER_SECONDS = 10.0
"""What is not on disk yet, at the most: it has to be read again from the changelog after a kill."""

DERIVE_ROWS = 5_000
"""Rows from which all is derived at a time: some 10 ms of work."""

CONDEMNED = "CONDEMNED"
TRANSIENT = ("No space left", "Permission denied", "Too many open files", "Read-only file system", "Input/output error")

SORTED = WriteOptions()
SORTED.memtable_insert_hint_per_batch = True

UNLOGGED = WriteOptions()
UNLOGGED.memtable_insert_hint_per_batch = True
UNLOGGED.disable_wal = True

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


@cache
def _shared_memtables() -> WriteBufferManager:
    """What bounds all memtables of this process."""
    return WriteBufferManager(MEMTABLES_BYTES, allow_stall=False)


def _options() -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_shared_cache())
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_bloom_filter(10, False)
    # in parts: the filter of a large file fills a shard of the cache (2 MB), and was read anew again and again
    blocks.set_index_type(BlockBasedIndexType.two_level_index_search())
    blocks.set_partition_filters(True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_write_buffer_manager(_shared_memtables())
    options.set_memtable_whole_key_filtering(True)  # most keys that are asked for are new: a filter knows that quickest
    options.set_memtable_prefix_bloom_ratio(0.05)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_enable_blob_files(True)
    options.set_min_blob_size(BLOB_BYTES)
    options.set_blob_compression_type(DBCompressionType.lz4())
    options.set_enable_blob_gc(True)
    options.set_blob_gc_age_cutoff(0.05)  # bodies end in the order in which they came: old files empty by themselves
    options.set_max_open_files(512)
    # by runs: the newest are merged, with each older one that is no larger than they are together; by levels, a few
    # memtables are merged with all of the next one
    options.set_compaction_style(DBCompactionStyle.universal())
    options.set_level_zero_file_num_compaction_trigger(RUNS)
    # while a large merge goes on, what is flushed waits in further runs: a write that has to wait stops the event loop
    options.set_level_zero_slowdown_writes_trigger(4 * RUNS)
    options.set_level_zero_stop_writes_trigger(6 * RUNS)
    options.set_keep_log_file_num(2)
    # a line of keys that come and go leaves tombstones behind: a file that is half of them is merged with what is below
    # before there are many runs. Not one with many of them in a row: that is each file of a busy table
    options.add_compact_on_deletion_collector_factory(0, 0, 0.5)
    return options


def _beginning_with(first: int) -> tuple[bytes, bytes]:
    """Where the keys with this first byte begin, and where they have ended."""
    return bytes((first,)), bytes((first + 1,))


def _is_lock(error: Exception) -> bool:
    return "lock" in str(error).lower() and str(error).startswith("IO error")


def _is_transient(error: Exception) -> bool:
    return any(word in str(error) for word in TRANSIENT)


class Store:
    """Ordered bytes. Opening it wipes a folder that RocksDB cannot read; nothing here awaits.

    Raises LockHeldError where another process has the folder, StateError where the disk does not let it in.
    """

    def __init__(self, path: Path, layout: int = 1) -> None:
        self.path = path
        self._layout = b"%d" % layout
        self._db = self._open()
        self._buffer = WriteBuffer()
        self._flushed_at = time.monotonic()
        self.bare = False
        """Whether it has records only, and nothing that is derived from them as it should be: while it is built from
        nothing, or where another version of us left it."""
        try:
            self.position = self._read_position()
            self.bare = self.position.offset != NO_OFFSET and self.get(DERIVED) != self._layout
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
        if key in self._buffer.changes:
            return self._buffer.changes[key]
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # noqa: BLE001  (the binding raises plain Exception for everything)
            self._condemn(error)  # not `_watched`, which costs more than the question
        return value

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order."""
        newest = self._buffer.changes
        stored = iter(self._stored([key for key in keys if key not in newest]))
        return [newest[key] if key in newest else next(stored) for key in keys]

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` pairs of the table from `start` on, before `end`."""
        return [] if start >= end else list(islice(self._pairs(max(start, FIRST_KEY), end), max(limit, 0)))

    def items(self) -> list[tuple[bytes, bytes]]:
        """Everything, bookkeeping too: for tests and repairs of small tables."""
        return list(self._pairs(b"\0", LAST_KEY))

    def write(self, changes: Iterable[Change], position: Position, fresh: Container[bytes] = ()) -> None:
        """Apply changes and the new position, all or nothing; at the latest after `BUFFER_SECONDS` on disk too.

        `fresh` are keys among the changes that it does not hold yet, as far as anybody has made sure of that.
        """
        self._buffer.add(changes, fresh)
        self.position = position
        if self._buffer.size > BUFFER_BYTES or time.monotonic() - self._flushed_at > BUFFER_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Give RocksDB all that it does not have yet, all or nothing."""
        changes = self._buffer.changes
        batch = WriteBatch(raw_mode=True)
        for key in sorted(changes):
            if (value := changes[key]) is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(POSITION, PACKED.pack(*self.position))
        batch.put(DERIVED, b"" if self.bare else self._layout)
        self._write(batch)
        self._buffer = WriteBuffer()
        self._flushed_at = time.monotonic()

    def derive_all(self, derive: Derive) -> Iterator[None]:
        """Complete a bare store, in steps that are short enough for the others of this process: yields after each.

        Nobody may write to it meanwhile. One that is left in the middle is bare as before: what was derived from it is
        taken away before it is derived anew.
        """
        self.flush()
        for first in derive.derived:
            self._clear(*_beginning_with(first))
        for first in derive.sources:
            start, end = _beginning_with(first)
            while rows := list(islice(self._rows(start, end), DERIVE_ROWS)):
                batch = WriteBatch(raw_mode=True)
                for key, value in rows:
                    for derived, content in derive.follow(key, None, value):
                        batch.put(derived, content)
                self._write(batch)
                start = rows[-1][0] + b"\0"
                yield
        batch = WriteBatch(raw_mode=True)
        batch.put(DERIVED, self._layout)
        self._write(batch)
        with self._watched():
            self._db.flush()  # before anything is logged again: what is in the log must not be newer than a gap
        self.bare = False

    def wipe(self) -> None:
        """Empty it, to be filled from the changelog's beginning."""
        self._db.close()
        shutil.rmtree(self.path)
        self._db = self._open()
        self._buffer = WriteBuffer()
        self.position = self._read_position()
        self.bare = False

    def close(self) -> None:
        """Flush and let the folder go."""
        try:
            self.flush()
            self._db.flush()
        except Exception:
            # what could not be flushed is in the changelog
            log.warning("%s could not be flushed", self.path, exc_info=True)
        self._db.close()

    def _write(self, batch: WriteBatch) -> None:
        with self._watched():
            # RocksDB's own log would only double a changelog that is read again from where the last table file ends
            self._db.write(batch, UNLOGGED if self.bare else SORTED)

    def _clear(self, start: bytes, end: bytes) -> None:
        if next(self._rows(start, end), None):
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(start, end)
            self._write(batch)

    def _stored(self, keys: list[bytes]) -> list[bytes | None]:
        with self._watched():
            return list(self._db.get(keys)) if keys else []

    def _pairs(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """What is newer over what is in RocksDB, in order."""
        newest = self._buffer.changes
        stored = self._rows(start, end)
        row = next(stored, None)
        for key in self._buffer.keys(start, end):
            while row and row[0] < key:
                yield row
                row = next(stored, None)
            if row and row[0] == key:
                row = next(stored, None)
            if (value := newest[key]) is not None:
                yield key, value
        if row:
            yield row
        yield from stored

    def _rows(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        with self._watched():
            cursor = self._db.iter(options)
            cursor.seek(start)
            while cursor.valid():
                yield cursor.key(), cursor.value()
                cursor.next()
            cursor.status()  # a damaged block ends an iterator like the last row does: only this tells

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
                f"{self.path} is in use by another process: two on one machine need a HEADRACE_HOME each"
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
