"""The state room of one process: its stores, writers and standbys, through every change of ownership."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.state.active import ActivePartition
from streams.state.changelogs import prepare_topics
from streams.state.exits import CRASHED, REFUSED, stop_process
from streams.state.faust_fixes import Interrupted
from streams.state.history import RefusedError, StaleStoreError, check_changelog, check_input
from streams.state.partition import ClosedError, StateError
from streams.state.reader import Extent, Reader
from streams.state.replay import apply_records
from streams.state.store import Store
from streams.state.table import Table
from streams.state.writer import Writer

log = logging.getLogger(__name__)

FOLLOW_WAIT_MS = 500
CATCH_UP_WAIT_MS = 50
STALL = 60.0
"""Seconds without any progress after which recovery is taken for stuck."""

RENEWAL_CHECK = 600.0


Applied = Callable[[TopicPartition, int], None]


class Room:
    """Opens and closes table partitions as the consumer group says; knows nothing of Faust."""

    def __init__(self, bootstrap: str, namespace: str, replication: int, folder: Path, applied: Applied) -> None:
        self.tables: dict[str, Table] = {}
        self._bootstrap, self._namespace, self._replication = bootstrap, namespace, replication
        self._folder = folder
        self._applied = applied
        self._stores: dict[TopicPartition, Store] = {}
        self._actives: dict[TopicPartition, ActivePartition] = {}
        self._owned: set[TopicPartition] = set()  # by the last `take` that was not interrupted
        self._era = 0
        self._changing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._follower: asyncio.Task[None] | None = None
        self._catch_up_reader: Reader | None = None
        self._standby_reader: Reader | None = None

    def declare(self, table: Table) -> None:
        """Add a table, before `prepare`."""
        self.tables[table.changelog] = table

    async def prepare(self) -> None:
        """Connect; check the inputs, make the changelogs. Raises RefusedError, StateError."""
        self._catch_up_reader = await Reader.connect(self._bootstrap, CATCH_UP_WAIT_MS)
        self._standby_reader = await Reader.connect(self._bootstrap, FOLLOW_WAIT_MS)
        await prepare_topics(self._bootstrap, self.tables.values(), self._replication)
        self._renewal = asyncio.create_task(self._renew())

    def give_up(self) -> None:
        """Close all active partitions, at once: they may be another process's in a moment."""
        self._era += 1
        for tp, partition in list(self._actives.items()):
            del self._actives[tp]
            self._spawn(partition.close().close())
            self.tables[tp.topic].on_close(partition.number)

    async def take(self, actives: set[TopicPartition], standbys: set[TopicPartition]) -> dict[TopicPartition, int]:
        """Own these and follow those, and nothing else. Returns where to read on in each input of the owned.

        What is still open is given up first: a partition has one writer, its owner or the reader of its changelog.
        Raises Interrupted where a `give_up` or another `take` came meanwhile, RefusedError where history is missing.
        """
        self.give_up()
        era = self._era
        actives, standbys = _plain(actives), _plain(standbys)
        async with self._changing:
            self._check(era)
            await self._stop_following()
            await self._open_stores(actives | standbys)
            self._check(era)
            starts = await self._open_actives(sorted(actives), era)
            await self._follow(sorted(standbys))
            self._check(era)
            self._owned = actives
            return starts

    async def stop(self) -> None:
        """Close everything, a `take` that goes on interrupted first; what is committed is on disk."""
        self.give_up()
        async with self._changing:
            await self._close()

    async def _close(self) -> None:
        await self._stop_following()
        await _cancel(self._renewal)
        await asyncio.gather(*self._background)
        for store in self._stores.values():
            await asyncio.to_thread(store.close)
        self._stores.clear()
        for reader in (self._catch_up_reader, self._standby_reader):
            if reader is not None:
                await reader.close()

    async def lag(self) -> dict[TopicPartition, tuple[int, int]]:
        """How far the input of each active partition is applied, and where it ends.

        Not of those that may have holes: the last offset there may be one.
        """
        if self._standby_reader is None:
            return {}
        whole = {tp: one for tp, one in self._actives.items() if not self.tables[tp.topic].holes}
        applied = {self._input(tp): partition.marker + 1 for tp, partition in whole.items()}
        extents = await self._standby_reader.extents(applied)
        return {tp: (following, extents[tp].end) for tp, following in applied.items()}

    # --- owning ------------------------------------------------------------------------------------------

    async def _open_actives(self, tps: list[TopicPartition], era: int) -> dict[TopicPartition, int]:
        reader = self._reader(self._catch_up_reader)
        logs = await reader.extents(tps)
        for tp in tps:
            check_changelog(_name(tp), self._stores[tp].position.offset, logs[tp])
        self._check(era)
        writers = dict(zip(tps, await asyncio.gather(*(self._take_over(tp) for tp in tps)), strict=True))
        try:
            await self._catch_up(tps, era)
            for _ in chain.from_iterable(map(self._complete, tps)):
                await asyncio.sleep(0)
                self._check(era)
            await self._check_inputs(tps)
            return {self._input(tp): await self._announce(tp, writers, era) for tp in tps}
        finally:
            for writer in writers.values():  # those that no partition got, because something came in between
                self._spawn(writer.close())

    async def _announce(self, tp: TopicPartition, writers: dict[TopicPartition, Writer], era: int) -> int:
        """Open one partition for its stage. Returns where its input goes on."""
        self._check(era)
        partition = self._actives[tp] = self._activate(tp, writers.pop(tp))
        try:
            await self.tables[tp.topic].on_open(partition)
        except ClosedError:
            self._check(era)
            raise
        self._check(era)
        whose = "as before" if tp in self._owned else "now, and was another's or nobody's"
        table = self.tables[tp.topic]
        log.info(
            "partition %d of %s is this scheduler's %s: it goes on at offset %d of %s",
            tp.partition, table.name, whose, partition.marker + 1, table.source,
        )  # fmt: skip
        return partition.marker + 1

    def _activate(self, tp: TopicPartition, writer: Writer) -> ActivePartition:
        source = self._input(tp)
        return ActivePartition(
            tp.partition, self._stores[tp], writer, lambda following: self._applied(source, following)
        )

    async def _take_over(self, tp: TopicPartition) -> Writer:
        transactional_id = f"{self._namespace}-{self.tables[tp.topic].name}-{tp.partition}"
        return await Writer.take_over(self._bootstrap, transactional_id, tp.topic, tp.partition)

    async def _check_inputs(self, tps: list[TopicPartition]) -> None:
        inputs = await self._reader(self._catch_up_reader).extents(self._input(tp) for tp in tps)
        for tp in tps:
            source = self._input(tp)
            check_input(_name(source), self._stores[tp].marker, inputs[source])

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_CHECK)
            for partition in list(self._actives.values()):
                try:
                    await partition.renew()
                except (StateError, KafkaError) as error:  # closed meanwhile, or the broker is away: there is time
                    log.warning("partition %d was not renewed: %s", partition.number, error)

    # --- reading changelogs ------------------------------------------------------------------------------

    async def _catch_up(self, tps: list[TopicPartition], era: int) -> None:
        """Read to where the logs end now that nobody else can write to them."""
        reader = self._reader(self._catch_up_reader)
        logs = await reader.extents(tps)
        behind = {tp: extent for tp, extent in logs.items() if self._stores[tp].position.offset + 1 < extent.end}
        for tp, extent in behind.items():
            log.info("%s is %d offsets behind", _name(tp), extent.end - self._stores[tp].position.offset - 1)
        reader.start_at({tp: self._from(tp, logs[tp]) for tp in behind})
        while behind:
            async with asyncio.timeout(STALL):
                await self._advance(reader, behind, era)
        reader.start_at({})

    async def _advance(self, reader: Reader, behind: dict[TopicPartition, Extent], era: int) -> None:
        """Apply something of what is behind; waits until there is something."""
        found: dict[TopicPartition, list[object]] = {}
        while not found:
            found = await reader.read(behind, timeout_ms=1_000)
            self._check(era)
        for tp, records in found.items():
            try:
                self._apply(tp, records, behind[tp].end)
            except StaleStoreError as stale:
                self._rebuild(reader, tp, behind, stale)
            if self._stores[tp].position.offset + 1 >= behind[tp].end:
                del behind[tp]

    def _rebuild(
        self, reader: Reader, tp: TopicPartition, logs: Mapping[TopicPartition, Extent], why: StaleStoreError
    ) -> None:
        log.warning("%s", why)
        store = self._stores[tp]
        store.wipe()
        check_changelog(_name(tp), store.position.offset, logs[tp])
        reader.start_at({other: self._from(other, logs[other]) for other in logs})

    def _from(self, tp: TopicPartition, extent: Extent) -> int:
        # from the store's own last record on, so that it can be compared with the log's
        return max(self._stores[tp].position.offset, extent.start, 0)

    def _apply(self, tp: TopicPartition, records: list[object], end: int) -> None:
        apply_records(_name(tp), self._stores[tp], self.tables[tp.topic].derive, records, end)

    def _complete(self, tp: TopicPartition) -> Iterator[None]:
        """Derive what is not derived yet, in steps."""
        store = self._stores[tp]
        if store.bare:
            yield from store.derive_all(self.tables[tp.topic].derive)
            log.info("%s has all that follows from its records", _name(tp))

    # --- following ---------------------------------------------------------------------------------------

    async def _follow(self, tps: list[TopicPartition]) -> None:
        """Start to keep warm copies. One whose changelog lost its head cannot be, and is refused when it is owned."""
        reader = self._reader(self._standby_reader)
        logs = {}
        for tp, extent in (await reader.extents(tps)).items():
            try:
                check_changelog(_name(tp), self._stores[tp].position.offset, extent)
                logs[tp] = extent
            except RefusedError as refused:
                log.error("no warm copy can be kept here: %s", refused)  # noqa: TRY400  (its sentence says all)
        reader.start_at({tp: self._from(tp, extent) for tp, extent in logs.items()})
        if logs:
            self._follower = asyncio.create_task(self._follow_on(reader, logs))

    async def _follow_on(self, reader: Reader, logs: dict[TopicPartition, Extent]) -> None:
        try:
            while True:
                for tp, records in (await reader.read(logs, FOLLOW_WAIT_MS)).items():
                    try:
                        self._apply(tp, records, reader.end_of(tp))
                    except StaleStoreError as stale:
                        self._rebuild(reader, tp, logs, stale)
                        break
                    await asyncio.sleep(0)
                    if self._stores[tp].position.offset + 1 >= reader.end_of(tp):
                        for _ in self._complete(tp):
                            await asyncio.sleep(0)
        except RefusedError as refused:
            stop_process(REFUSED, str(refused))
        except Exception as error:
            log.exception("standbys failed")
            stop_process(CRASHED, f"the warm copies cannot be kept: {error}")

    async def _stop_following(self) -> None:
        follower, self._follower = self._follower, None
        await _cancel(follower)

    # --- stores and tasks --------------------------------------------------------------------------------

    async def _open_stores(self, wanted: set[TopicPartition]) -> None:
        for tp in sorted(set(self._stores) - wanted):
            await asyncio.to_thread(self._stores.pop(tp).close)
        for tp in sorted(wanted - set(self._stores)):
            table = self.tables[tp.topic]
            path = self._folder / f"{table.name}-{tp.partition}"
            self._stores[tp] = await asyncio.to_thread(Store, path, table.derive.layout)

    def _input(self, tp: TopicPartition) -> TopicPartition:
        return TopicPartition(self.tables[tp.topic].source, tp.partition)

    @staticmethod
    def _reader(reader: Reader | None) -> Reader:
        if reader is None:
            raise RuntimeError("the room was not prepared")
        return reader

    def _check(self, era: int) -> None:
        if era != self._era:
            raise Interrupted

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _plain(tps: Iterable[tuple[str, int]]) -> set[TopicPartition]:
    """As aiokafka has them."""
    return {TopicPartition(*tp) for tp in tps}


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}-{tp.partition}"
