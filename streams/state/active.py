"""An active partition of a table: what a stage works with while it owns it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from streams.state.exits import CRASHED, FENCED, stop_process
from streams.state.partition import Changes, ClosedError, check_commit
from streams.state.store import MARKER, NO_OFFSET, CorruptStoreError, Store
from streams.state.writer import FencedError, Writer

Applied = Callable[[int], None]
P = ParamSpec("P")
T = TypeVar("T")


class ActivePartition:
    """Keeps `Partition`'s promises with a changelog and RocksDB; made anew for each time that it is owned."""

    def __init__(self, number: int, store: Store, writer: Writer, applied: Applied) -> None:
        self.number = number
        self.marker = store.marker
        self._store = store
        self._writer = writer
        self._applied = applied
        self._open = True
        self._turn = asyncio.Lock()

    def get(self, key: bytes) -> bytes | None:
        """See `Partition.get`."""
        return self._sound(self._store.get, key)

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """See `Partition.get_many`."""
        return self._sound(self._store.get_many, keys)

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `Partition.scan`."""
        return self._sound(self._store.scan, start, end, limit)

    async def commit(self, changes: Changes, marker: int) -> None:
        """See `Partition.commit`. Where the changelog or the disk fails, the process ends: memory is ahead of both."""
        async with self._turn:
            self._check_open()
            check_commit(self.marker, changes, marker)
            try:
                await self._write(changes, marker)
            except ClosedError:
                raise
            except FencedError as error:
                self._check_open()  # whoever was closed may well be refused
                stop_process(FENCED, f"{error}: this process was away too long and leaves")
            except Exception as error:  # noqa: BLE001  (nothing may go on from here)
                self._check_open()
                stop_process(CRASHED, f"table partition {self._store.path.name} cannot be written: {error}")

    async def renew(self) -> None:
        """Keep the brokers from forgetting who owns the changelog, where that is due."""
        async with self._turn:
            if not self._open or not self._writer.due():
                return
            try:
                position = await self._writer.renew()
            except FencedError as error:
                self._check_open()
                stop_process(FENCED, f"{error}: this process was away too long and leaves")
            self._check_open()
            self._store.write([], position)

    def close(self) -> Writer:
        """Give it up: whoever still uses it gets ClosedError. What is on its way is read back from the changelog."""
        self._open = False
        return self._writer

    async def _write(self, changes: Changes, marker: int) -> None:
        mark = (MARKER, b"%d" % marker)
        position = await self._writer.append([*changes.records, mark])
        self._check_open()
        self._store.write([*changes.records, *changes.derived, mark], position, changes.fresh)
        self.marker = marker
        if marker != NO_OFFSET:
            self._applied(marker + 1)

    def _sound(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._check_open()
        try:
            return read(*args, **kwargs)
        except CorruptStoreError as error:
            stop_process(CRASHED, f"{error}: the next start rebuilds it")

    def _check_open(self) -> None:
        if not self._open:
            raise ClosedError(f"partition {self.number} of {self._store.path.parent.name} was given up")
