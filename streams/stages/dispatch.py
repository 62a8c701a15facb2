"""DISPATCH: the order of a pool. Its table holds one small key for each who waits, and its workers."""

from collections.abc import Container

import msgspec
import structlog

from streams.engine.commands import ReadyCommand, Silent
from streams.engine.dispatch import Dispatcher, Domain, Proposals
from streams.envelope import pack, ready_commands
from streams.settings import Settings
from streams.stages.clock import LogClock
from streams.stages.incoming import BugError, Incoming, PoisonError, Send
from streams.stages.lost import silent
from streams.stages.overlay import Overlay
from streams.state.partition import Changes, Partition
from streams.topics import Topics

STATUS_EVERY = 1_000
"""Milliseconds between two reports of a pool."""


log = structlog.get_logger("headrace.stage")


class Dispatch:
    """The logic of one partition of headrace.ready."""

    strict = True

    def __init__(self, partition: Partition, settings: Settings) -> None:
        self._number = partition.number
        self._topics = Topics.under(settings.namespace)
        self._overlay = Overlay(partition)
        self._lease = round(settings.lease * 1000)
        domain = Domain(
            partition.number, settings.ready_partitions, settings.task_partitions, settings.lanes, self._lease
        )
        self._dispatcher = Dispatcher(self._overlay, domain)
        self._out = Proposals()
        self._news: list[str] = []  # for the log, once it is durable
        self._judge_at = self._status_at = 0
        self._clock = LogClock()

    def first(self) -> list[Send]:
        """Nothing to repeat at a takeover: proposals left before the changelog was written."""
        return []

    def handle(self, message: Incoming, skip: Container[int | bytes] = ()) -> None:
        """See Logic. A message is taken whole: its places are smaller than it is."""
        try:
            commands = ready_commands(message.value)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise PoisonError(f"not an envelope of ready commands: {error}") from None
        self._clock.hear(message.at)
        self._dispatcher.hear(message.at)
        if commands and isinstance(commands[0], Silent) and commands[0].at > message.at:
            self._clock.doubt()
        for index, command in enumerate(commands):
            if index not in skip:
                self._take(index, command, message.at)
        self._dispatcher.assign(self._out)

    def weight(self) -> int:
        """See Logic."""
        return self._overlay.weight

    def outputs(self) -> tuple[list[Send], list[Send]]:
        """See Logic."""
        out, t = self._out, self._topics
        sends = [Send(t.workers, 0, value) for value in pack(out.workers)]
        for home, proposals in out.homes.items():
            sends += [Send(t.tasks, home, value) for value in pack(proposals)]
        # no value takes the last report away; with the rest, so that no takeover can forget it
        closed = sorted(out.closed - self._dispatcher.pools())
        sends += [Send(t.status, 0, None, _key(pool)) for pool in closed]
        self._news += [silent(worker, silence) for worker, silence in out.silent]
        self._out = Proposals()
        return sends, []

    def changes(self) -> Changes:
        """See Logic."""
        self._dispatcher.save()
        return self._overlay.changes()

    def saved(self) -> None:
        """See Logic."""
        self._overlay.clear()
        for line in self._news:
            log.warning(line)
        self._news.clear()

    def ring(self, now: int) -> list[Send]:
        """See Logic: workers that fell silent, and the pools' status."""
        sends: list[Send] = []
        self._clock.learn(now)
        # our own clock may have been set back
        self._judge_at = min(self._judge_at, now + self._lease // 10)
        self._status_at = min(self._status_at, now + STATUS_EVERY)
        if now >= self._judge_at:
            self._judge_at = now + self._lease // 10
            sends += [Send(self._topics.ready, self._number, value) for value in pack(self._silent(now))]
        if now >= self._status_at:
            self._status_at = now + STATUS_EVERY
            sends += [self._status(pool, now) for pool in sorted(self._dispatcher.pools())]
        return sends

    def next_timer(self, now: int) -> int:  # noqa: ARG002  (Logic's signature)
        """See Logic."""
        return min(self._judge_at, self._status_at)

    def _take(self, index: int, command: ReadyCommand, now: int) -> None:
        try:
            self._dispatcher.take(self._out, command, now)
        except Exception as error:
            raise BugError(index, error) from error

    def _silent(self, now: int) -> list[Silent]:
        """Who is silent by the log's time. Where nothing stirs in the log, it is asked: is it away, or are they?

        It is asked too where we do not know its time: nothing was heard yet, or our clock was set back.
        """
        if not self._dispatcher.workers:
            return []
        at = self._clock.log_time(now)
        if at is None:
            return [Silent("", now)]
        quiet = abs(at - self._dispatcher.heard_at) > self._lease // 4
        return self._dispatcher.silent(at) or ([Silent("", at)] if quiet else [])

    def _status(self, pool: str, now: int) -> Send:
        line, queued = self._dispatcher.lines.get(pool), self._dispatcher.queue(pool)
        workers = [w for w in self._dispatcher.workers.values() if w.pool == pool]
        status = {
            "pool": pool,
            "at": now,
            "waiting": queued.waiting if queued else line.waiting if line else [0] * 10,
            "oldest_ready_at": queued.oldest_ready_at if queued else line.oldest() if line else 0,
            "slots": sum(w.slots for w in workers),
            "running": sum(w.running for w in workers),
            "workers": [msgspec.structs.asdict(w) for w in workers],
        }
        return Send(self._topics.status, 0, msgspec.json.encode(status), _key(pool))


def _key(pool: str) -> bytes:
    return f"pool/{pool}".encode()
