"""NOTIFY: what stands on headrace.notifications reaches people at least once, or is a dead letter and an alert."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    OffsetAndMetadata,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from pipelines.ids import pipeline_of, to_text
from sinks.notify.addresses import RefusedAddress, load_services, shown, without_secrets
from sinks.notify.progress import Line, Memo, read_memo
from sinks.notify.target import GivenUp, Target
from sinks.notify.text import compose
from streams.engine.events import Notification, Refused
from streams.engine.records import Execution
from streams.envelope import notifications
from streams.settings import Settings
from streams.topics import MESSAGE_LIMIT, NEWS_MS, Topics, group

SESSION = 6.0
"""Seconds after a crash until another one takes over: the least that brokers accept."""

WINDOW = 10_000
"""Deliveries in hand at once; while there are more, no further messages are taken."""

REMEMBERED = 20_000
"""Deliveries by which a repeated one is recognised."""

IDLE_TARGETS = 1000
"""Addresses kept open without work for them."""

MOMENT = 0.2
"""Seconds that taking waits for messages before it looks around again."""

DRAIN = 5.0
"""Seconds that deliveries under way get when the notifier stops."""

COMMIT_PAUSE = 0.02
"""Seconds between two commits; what is delivered in that time is what a crash may repeat."""

OUTCOMES = Counter("headrace_notifications", "Notifications by how they ended, one for each address.", ["outcome"])

Key = tuple[bytes, int, str, str, int]
"""What makes a delivery one: execution, its version, address, happening, and a hash of the rule's own text."""

_log = structlog.get_logger(__name__)


class Notifier(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types that mypy may read
    """Delivers notifications until stopped. Several notifiers share the partitions of the topic."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._topics = Topics.under(settings.namespace)
        self._group = group(settings, "notifier")
        self._lines: dict[TopicPartition, Line] = {}
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._targets: OrderedDict[str, Target] = OrderedDict()
        self._seen: OrderedDict[Key, asyncio.Future[None]] = OrderedDict()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self._stopping = asyncio.Event()
        self._assigned = asyncio.Event()
        self._taking = asyncio.Lock()

    async def run(self) -> None:
        """Work until `stop` is called. Raises aiokafka's KafkaError when the broker cannot be reached at the start."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(SESSION * 1000),
            heartbeat_interval_ms=2_000,
            max_partition_fetch_bytes=MESSAGE_LIMIT,
            metadata_max_age_ms=NEWS_MS,
        )
        self._producer = AIOKafkaProducer(bootstrap_servers=self._settings.kafka, acks="all", enable_idempotence=True)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka)
        async with contextlib.AsyncExitStack() as stack:
            for client in (self._producer, self._admin, self._consumer):
                stack.push_async_callback(getattr(client, "stop", None) or client.close)
                await client.start()
            self._consumer.subscribe([self._topics.notifications], listener=self)
            await self._work()

    async def stop(self) -> None:
        """Ask it to stop: deliveries under way get a moment, the rest is the next notifier's."""
        self._stopping.set()

    async def _work(self) -> None:
        await asyncio.to_thread(load_services)  # not in the time of the first notification
        committing = asyncio.create_task(self._commit_always())
        try:
            while not self._stopping.is_set():
                await self._take()
            if self._deliveries:
                await asyncio.wait(self._deliveries, timeout=DRAIN)
        finally:
            for task in (committing, *self._deliveries):
                task.cancel()
            await asyncio.gather(committing, *self._deliveries, return_exceptions=True)
        await self._commit()

    # --- taking ---------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        """Take what has come, or wait a moment; while the window is full nothing is taken.

        A consumer may give messages of a partition before the listener has heard of it, or after it was told to let
        go: so nothing is taken from before a revocation until after the next assignment.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._assigned.wait(), MOMENT)
        async with self._taking:
            if self._assigned.is_set():
                await self._take_assigned()

    async def _take_assigned(self) -> None:
        if len(self._deliveries) >= WINDOW:
            self._consumer.pause(*self._consumer.assignment())
        else:
            self._consumer.resume(*self._consumer.paused())
        for partition, messages in (await self._arrived()).items():
            for message in messages:
                await self._open(self._lines[partition], message)

    async def _arrived(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What has come, or comes in a moment.

        A consumer that was put out of its group looks at no timeout until it has an assignment again, and for that it
        waits for our listener, which waits for whoever takes: so taking gives up here. It holds no messages then.
        (aiokafka goes on to count it as somebody who takes, and no longer leaves the group where nobody does.)
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * MOMENT):
                return await self._consumer.getmany(timeout_ms=round(MOMENT * 1000), max_records=100)  # type: ignore[no-any-return]
        return {}

    async def _open(self, line: Line, message: ConsumerRecord) -> None:
        """Start the deliveries of one message; a message that cannot be read is a dead letter."""
        try:
            pairs = [(n, address) for n in notifications(message.value) for address in n.rule.to]
        except (msgspec.MsgspecError, TypeError) as error:
            await self._bury(f"not an envelope of notifications: {error}", message)
            pairs = []
        for number in line.take(message.offset, len(pairs)):
            task = asyncio.create_task(self._deliver(line, message, number, *pairs[number]))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)
        self._progress.set()

    # --- delivering -----------------------------------------------------------------------------------------

    async def _deliver(
        self, line: Line, message: ConsumerRecord, number: int, notification: Notification, address: str
    ) -> None:
        """Deliver it, unless it is a repetition: then the first one's end is its end."""
        rule, execution = notification.rule, notification.execution
        key = (execution.id, execution.version, address, notification.happening, hash((rule.title, rule.body)))
        if first := self._seen.get(key):
            await asyncio.shield(first)
            OUTCOMES.labels("repeated").inc()
        else:
            with self._remembered(key):
                await self._deliver_or_bury(message, notification, address)
        line.done(message.offset, number)
        self._progress.set()

    @contextlib.contextmanager
    def _remembered(self, key: Key) -> Iterator[None]:
        ended = self._seen[key] = asyncio.get_running_loop().create_future()
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        try:
            yield
            ended.set_result(None)
        finally:
            ended.cancel()  # does nothing where it has a result

    async def _deliver_or_bury(self, message: ConsumerRecord, notification: Notification, address: str) -> None:
        try:
            await self._deliver_to(address, notification)
        except (GivenUp, RefusedAddress) as error:
            why = str(error)
        except Exception as bug:  # noqa: BLE001  (a notification on which our own code fails must not stay undecided)
            _log.error("notification_failed_by_bug", task=notification.execution.task, exc_info=bug)
            why = f"our own code failed on it: {without_secrets(repr(bug), address)}"
        else:
            return
        await self._bury(_reason(notification, address, why), message, notification.execution)

    async def _deliver_to(self, address: str, notification: Notification) -> None:
        text = compose(notification)
        if text.problem:
            _log.warning("notification_template_unused", task=notification.execution.task, problem=text.problem)
        target = self._target(address)
        attempt = await target.deliver(text, notification.happening)
        OUTCOMES.labels("delivered").inc()
        _log.debug("notification_delivered", target=target.name, attempt=attempt)

    def _target(self, address: str) -> Target:
        target = self._targets.get(address)
        if target is None:
            for idle in [a for a, t in self._targets.items() if not t.waiting][:-IDLE_TARGETS]:
                del self._targets[idle]
            target = self._targets[address] = Target(address, self._settings)
        self._targets.move_to_end(address)
        return target

    async def _bury(self, reason: str, message: ConsumerRecord, about: Execution | None = None) -> None:
        """Write a dead letter, however long the broker takes, and raise the alert."""
        known = _known(about) if about else {}
        letter = Refused(
            reason=reason,
            stage="notify",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            at=round(time.time() * 1000),
            first_bytes="" if about else (message.value or b"")[:2048].decode("ascii", "backslashreplace"),
            **known,
        )
        while True:
            try:
                await self._producer.send_and_wait(self._topics.dead_letters, msgspec.json.encode(letter))
                break
            except KafkaError as error:
                _log.warning("dead_letter_not_written", error=str(error), again_in_seconds=1)
                await asyncio.sleep(1)
        OUTCOMES.labels("given_up").inc()
        _log.error("notification_given_up", reason=reason, execution=letter.execution, topic=message.topic)

    # --- committing -----------------------------------------------------------------------------------------

    async def _commit_always(self) -> None:
        """Commit soon after there is something to commit."""
        while True:
            await self._progress.wait()
            await asyncio.sleep(COMMIT_PAUSE)
            self._progress.clear()
            try:
                await self._commit()
            except KafkaError as error:
                _log.warning("notify_commit_failed", error=str(error))
                await asyncio.sleep(1)
                self._progress.set()

    async def _commit(self) -> None:
        wanted = {partition: commit for partition, line in self._lines.items() if (commit := line.commit())}
        news = {p: OffsetAndMetadata(*commit) for p, commit in wanted.items() if self._committed.get(p) != commit}
        if news:
            await self._consumer.commit(news)
            self._committed.update(wanted)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Commit what is done before somebody else goes on."""
        self._assigned.clear()
        async with self._taking:
            with contextlib.suppress(KafkaError):
                await self._commit()
            for partition in revoked:
                self._lines.pop(partition, None)
                self._committed.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Learn what an earlier owner has done beyond its offset."""
        partitions = list(assigned)
        memos = await self._memos(partitions)
        for partition in partitions:
            self._lines[partition] = Line(memos.get(partition))
        self._assigned.set()

    async def _memos(self, partitions: list[TopicPartition]) -> dict[TopicPartition, Memo]:
        """Ask the broker, until it answers; without the memo the notifier would only repeat more than it must."""
        while partitions:
            try:
                found = await self._admin.list_consumer_group_offsets(self._group, partitions=partitions)
            except KafkaError as error:
                _log.info("notify_memo_not_read", error=str(error), again_in_seconds=1)
                await asyncio.sleep(1)
            else:
                return _memos_of(found)
        return {}


def _reason(notification: Notification, address: str, why: str) -> str:
    """What was not told of whom, to whom and why; of the address what it may show."""
    name, about = shown(address), notification.execution
    what = f"{notification.happening!r} of {about.task}" + (f" in run {about.run!r}" if about.run else "")
    return f"{what} was not told: " + (why if name in why else f"{name}: {why}")


def _known(about: Execution) -> dict[str, Any]:
    """The fields by which people find it."""
    return {"execution": to_text(about.id), "pipeline": pipeline_of(about.task) or None, "run": about.run}


def _memos_of(found: dict[TopicPartition, Any]) -> dict[TopicPartition, Memo]:
    return {p: read_memo(at.offset, at.metadata or "") for p, at in found.items() if at.offset >= 0}
