"""Every place where Faust or its consumer is made to do what their own settings do not offer.

Each has the upstream issue's number where there is one, and a test in tests/integration/state/test_state_faust.py (or
the file it names) that fails without it, so that it can go when upstream mends it.
"""

import logging
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

import faust
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.sensors import Monitor
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from streams.state.exits import CRASHED, stop_process
from streams.state.inputs import Fetch, Inputs
from streams.topics import MESSAGE_LIMIT

log = logging.getLogger(__name__)


async def fenced_producer(bootstrap: str, transactional_id: str) -> tuple[AIOKafkaProducer, int]:
    """An idempotent producer whose id is stable and whose epoch is new, and that epoch.

    aiokafka asks the coordinator for an epoch only where there is a transactional id, and then insists on
    transactions, 27 ms each: so the id goes once it has served. Test: test_state_writer.py.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        acks="all",
        linger_ms=0,
        max_batch_size=MESSAGE_LIMIT,
        max_request_size=MESSAGE_LIMIT,
    )
    await producer.start()
    manager = producer._txn_manager  # noqa: SLF001  (there is no public way)
    epoch: int = manager.producer_epoch
    manager.transactional_id = None
    return producer, epoch


def hush() -> None:
    """Keep aiokafka from making debug records on the hot path: 10 % of a busy scheduler. Faust turns them on.

    And mode from telling of each commit that takes longer than the pause between two.
    """
    logging.getLogger("mode.timers").setLevel(logging.ERROR)
    for name in ("aiokafka", "kafka", *(n for n in logging.root.manager.loggerDict if n.startswith("aiokafka."))):
        logging.getLogger(name).setLevel(logging.WARNING)


class Room(Protocol):
    """What recovery needs of the state room."""

    async def prepare(self) -> None:
        """Connect, and check or create the changelogs."""
        ...

    def give_up(self) -> None:
        """Close all active partitions, at once."""
        ...

    async def take(self, actives: set[TP], standbys: set[TP]) -> Mapping[TP, int]:
        """Give up all, and bring these changelog partitions up to date; where to read each of their inputs.

        Raises Interrupted.
        """
        ...

    async def stop(self) -> None:
        """Close everything."""
        ...

    async def lag(self) -> Mapping[TP, tuple[int, int]]:
        """How far each input is applied, and where it ends."""
        ...

    def declare(self, table: Any) -> None:
        """Add a table, before `prepare`."""
        ...


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """Another rebalance came while partitions were being opened."""


class Fetched(faust.Schema):  # type: ignore[misc]  # Faust is not typed
    """What one fetch brought of a partition is one event: Faust costs the same for each, whatever is in it."""

    def loads_key(self, *args: Any, **kwargs: Any) -> None:
        """There is none."""

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Fetch:  # noqa: ARG002  (Faust's signature)
        """The records of aiokafka, in order, and whom to tell that they were accepted."""
        fetch: Fetch = message.value
        return fetch


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer for membership in the group; what it hands out is read by `Inputs`.

    Faust acks what it skips at a rebalance and what raised (#189, #315, #527), and commits past an un-acked head
    (#606): 788 of 252,000 tasks were lost in 6 kills. Here acks mean nothing. `progress` is the next offset to read
    of each input, told by whoever handled it: only that is committed. Inputs are read from where their tables are,
    in our own event loop: Faust's thread fetches all of them in one request at a time that waits for 1.5 s, and
    competes with us for the interpreter.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.progress: dict[TP, int] = {}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop reading, and forget all positions: they are told anew after the next assignment."""
        self.app.inputs.close()
        self.progress.clear()
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Let Faust believe whatever comes: `Inputs` knows where to read."""
        self._read_offset.update(dict.fromkeys(self.assignment()))

    async def _wait_next_records(self, timeout: float) -> tuple[dict[TP, list[Any]], None]:  # noqa: ASYNC109  (Faust's signature)
        """What has arrived, of whatever is ours by then; Faust looks once a second whether anything has become ours."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        found = await self.app.inputs.take(timeout)
        return {TP(*tp): [_event(tp, fetch)] for tp, fetch in found.items()}, None

    def ack(self, message: Any) -> bool:
        """Do nothing: see the class."""
        self._unacked_messages.discard(message)
        return True

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002  (Faust's signature)
        """Commit `progress`, as a hint for people's tools and for those who send in bulk; again where it failed."""
        for acks in (self._acked, self._acked_index, self._gap):
            acks.clear()  # Faust's compiled stream fills them past `ack`
        known, ours = self._committed_offset, self.assignment()
        news = {tp: to for tp, to in self.progress.items() if tp in ours and to > (known.get(tp) or 0)}
        if not news or not await self._commit(news):
            return False
        known.update(news)
        return True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit in Faust's thread; Faust itself would crash where a broker is away for a moment."""
        thread = self._thread
        wanted = {driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await thread.call_thread(thread._ensure_consumer().commit, wanted)  # noqa: SLF001  (Faust's own way)
        except (KafkaError, IllegalStateError) as error:
            log.info("offsets were not committed: %r", error)
            return False
        return True

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: Faust's search for stuck streams goes by its own acks; ours is `watchdog`."""


def _event(tp: TopicPartition, fetch: Fetch) -> Any:
    """A fetch as Faust takes a message."""
    return ConsumerRecord(
        tp.topic,
        tp.partition,
        fetch.end - 1,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=fetch,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


class Transport(driver.Transport):  # type: ignore[misc]  # the same
    """Faust's transport with our consumer."""

    Consumer = Consumer


class QuietMonitor(Monitor):  # type: ignore[misc]  # the same
    """Faust's monitor without its counters for each message: a third of the cost of dispatching one."""

    def on_message_in(self, *args: Any, **kwargs: Any) -> None:
        """Count nothing."""

    def on_message_out(self, *args: Any, **kwargs: Any) -> None:
        """Count nothing."""

    def on_stream_event_in(self, *args: Any, **kwargs: Any) -> None:
        """Count nothing."""

    def on_stream_event_out(self, *args: Any, **kwargs: Any) -> None:
        """Count nothing."""

    def track_tp_end_offset(self, *args: Any, **kwargs: Any) -> None:
        """Count nothing."""


class Recovery(FaustRecovery):  # type: ignore[misc]  # the same
    """Recovery by the state room, in place of Faust's.

    Faust's applies a record at a time, waits in steps of 5 s (4-8 s stalls in a third of the kills), gets stuck on
    compacted gaps (#176, #597, #651) and lets an owner that wakes late write on.
    """

    app: "App"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wanted: tuple[set[TP], set[TP]] | None = None

    def on_partitions_revoked(self, revoked: set[TP]) -> None:  # noqa: ARG002  (Faust's signature)
        """Give up all active partitions, before anybody else can get them, and what was to be opened."""
        self._wanted = None
        self.app.room.give_up()

    async def on_rebalance(
        self,
        assigned: set[TP],  # noqa: ARG002  (Faust's signature)
        revoked: set[TP],  # noqa: ARG002  (the same)
        newly_assigned: set[TP],  # noqa: ARG002  (the same)
        generation_id: int = 0,
    ) -> None:
        """Note what is ours now, and have it opened."""
        if generation_id != self.app.consumer_generation_id:
            return  # a later assignment is under way
        assignor, changelogs = self.app.assignor, self.tables.changelog_topics
        actives = {tp for tp in assignor.assigned_actives() if tp.topic in changelogs}
        standbys = {tp for tp in assignor.assigned_standbys() if tp.topic in changelogs}
        self._wanted = actives, standbys - actives
        self._generation_id = generation_id
        self.signal_recovery_start.set()

    async def on_stop(self) -> None:
        """Close the stores."""
        self.app.room.give_up()  # before anything is awaited
        await self.app.inputs.stop()
        await self.app.room.stop()

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._open(self._generation_id)
            except Interrupted:
                continue
            except Exception as error:
                log.exception("recovery failed")
                self._die(error)

    async def _open(self, generation: int) -> None:
        consumer = self.app.consumer
        await self._pause(consumer)
        if self._wanted is None:  # revoked meanwhile
            raise Interrupted
        self.app.inputs.close()
        self.app.in_recovery = True
        starts = await self.app.room.take(*self._wanted)
        self.app.in_recovery = False
        if generation != self.app.consumer_generation_id or self.signal_recovery_start.is_set():
            raise Interrupted
        await self._resume(consumer, starts)

    @staticmethod
    async def _pause(consumer: Consumer) -> None:
        """Keep Faust's aiokafka from fetching what the room and `Inputs` read."""
        thread = consumer._thread  # noqa: SLF001  (there is no public way)
        assigned = consumer.assignment()

        async def pause() -> None:
            thread._ensure_consumer().pause(*(driver.ensure_aiokafka_TP(tp) for tp in assigned))  # noqa: SLF001  (the same)

        try:
            await thread.call_thread(pause)
        except IllegalStateError:  # assigned anew meanwhile
            raise Interrupted from None

    async def _resume(self, consumer: Consumer, starts: Mapping[TP, int]) -> None:
        """Let the inputs flow from where their tables are; the order is Faust's own."""
        app = self.app
        await app.on_rebalance_complete.send()
        consumer.pause_partitions({tp for tp in consumer.assignment() if self._is_changelog_tp(tp)})
        consumer.resume_partitions({TP(*tp) for tp in starts})
        await consumer.perform_seek()
        if not await app.inputs.open(starts):
            raise Interrupted
        for tp, start in starts.items():  # whoever had it before may have died before it could commit
            app.applied(TP(*tp), start)
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001  (Faust's own way)
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        app.joined = True
        hush()

    @Service.task  # type: ignore[untyped-decorator]  # the same
    async def _slurp_changelogs(self) -> None:
        """Do nothing: the room reads changelogs itself."""

    @Service.task  # type: ignore[untyped-decorator]  # the same
    async def _publish_stats(self) -> None:
        """Do nothing: the room logs what it did."""

    @staticmethod
    def _die(error: Exception) -> NoReturn:
        stop_process(getattr(error, "status", CRASHED), f"tables cannot be recovered: {error}")


class TableManager(FaustTableManager):  # type: ignore[misc]  # the same
    """Faust's table manager with our recovery, and without its wait of a second at the start."""

    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        """Our recovery."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Check the topics before anything subscribes to them."""
        await self.app.room.prepare()
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):  # type: ignore[misc]  # the same
    """Faust's app with our transport, a state room and its inputs, which `make_app` sets."""

    room: Room
    inputs: Inputs
    joined = False
    """Whether it has had its share of the partitions, warm copies included, or knows that there is none for it."""

    def applied(self, tp: TP, following: int) -> None:
        """`following` is the next offset to read of an input: for whoever comes next."""
        progress = self.consumer.progress
        progress[tp] = max(following, progress.get(tp, 0))

    async def on_first_start(self) -> None:
        """Make no folders: Faust's own tables hold nothing here."""

    async def wait_for_crash(self) -> None:
        """Return when a service of Faust has failed for good."""
        await self._crashed.wait()

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)
