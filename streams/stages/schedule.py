"""SCHEDULE: the truth of executions. One partition is one totally ordered log of decisions."""

from collections.abc import Container
from typing import Any

import msgspec
import structlog

from pipelines.ids import to_text
from streams.engine import commands as c
from streams.engine.follow import Outbox, give_away, handle, undelivered
from streams.engine.records import LATEST
from streams.engine.rejections import Rejection
from streams.engine.step import ROOM, position_of
from streams.engine.step import Partition as Home
from streams.envelope import pack, task_commands
from streams.settings import Settings
from streams.stages.clock import LogClock
from streams.stages.ends import NEVER
from streams.stages.incoming import FIRST_BYTES, WEIGHT_LIMIT, BugError, Incoming, PoisonError, Send, letter
from streams.stages.lost import with_it
from streams.stages.readable import readable
from streams.stages.task_table import TaskTable
from streams.state.partition import Changes, Partition
from streams.topics import Topics, pool_partition

TOGETHER = 3_000_000
"""Bytes of changes by commands of one message among which the most critical goes first; as many as an envelope of small
executions brings.

Where a message is left off to save in the middle of it, it is behind so many: a replay that saves at other moments
gives everything to the same.
"""

REPORT_EVERY = 1_000
"""Milliseconds between two reports to DISPATCH of how many wait."""

RING_LIMIT = 2_000
"""Timers that ring in one go."""


log = structlog.get_logger("headrace.stage")


class Schedule:
    """The logic of one partition of headrace.tasks."""

    strict = True

    def __init__(self, partition: Partition, settings: Settings) -> None:
        self._number = partition.number
        self._settings = settings
        self._topics = Topics.under(settings.namespace)
        keep, remember = round(settings.keep_finished * 1000), round(settings.remember_done * 1000)
        self._home = Home(partition.number, settings.task_partitions, keep, remember)
        self._table = TaskTable(partition, alone=self._home.alone)
        self._clock = LogClock()
        self._asked, self._looked_at = False, 0
        self._report_at = 0
        self._reported: set[str] = set()  # pools in which somebody waited then
        self._out = Outbox()
        self._letters: list[bytes] = []
        self._news: list[str] = []  # for the log, once it is durable
        self.stale = 0

    def first(self) -> list[Send]:
        """At a takeover: at-most-once jobs whose message may not have left the last owner."""
        return self._lanes(undelivered(self._table, self._home, self._table.held()).late_lanes)

    def handle(self, message: Incoming, skip: Container[int | bytes] = ()) -> int | None:
        """See Logic."""
        try:
            commands = task_commands(message.value)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise PoisonError(f"not an envelope of task commands: {error}") from None
        self._hear(commands, message.at)
        return self._take(commands, message, skip)

    def weight(self) -> int:
        """See Logic."""
        return self._table.weight()

    def outputs(self) -> tuple[list[Send], list[Send]]:
        """See Logic."""
        out, t = self._out, self._topics
        sends = [Send(t.dead_letters, 0, value) for value in self._letters]
        for home, commands in out.homes.items():
            sends += [Send(t.tasks, home, value) for value in pack(commands)]
        sends += self._lanes(out.lanes)
        for pool, ready in out.ready.items():
            to = pool_partition(pool, self._settings.ready_partitions)
            sends += [Send(t.ready, to, value) for value in pack(ready)]
        own = self._number % self._settings.event_partitions
        sends += [Send(t.events, own, value) for value in pack(out.events)]
        sends += [Send(t.notifications, own, value) for value in pack(out.notifications)]
        late = self._lanes(out.late_lanes)
        self.stale += out.stale
        self._out, self._letters = Outbox(), []
        return sends, late

    def changes(self) -> Changes:
        """See Logic."""
        return self._table.changes()

    def saved(self) -> None:
        """See Logic."""
        self._table.saved()
        for line in self._news:
            log.warning(line)
        self._news.clear()

    def ring(self, now: int) -> list[Send]:
        """See Logic."""
        self._clock.learn(now)
        at = self._clock.log_time(now)
        due = self._due(at) if at is not None else [] if self._asked else [c.Wake(b"", now)]
        self._asked = at is None  # without the log's time no timer can be judged: the log is asked for it, once
        return [Send(self._topics.tasks, self._number, value) for value in pack(due)] + self._report(now)

    def next_timer(self, now: int) -> int:
        """See Logic."""
        report_at = self._report_at if self._reported or self._waits() else NEVER
        if self._clock.log_time(now) is None:
            return report_at if self._asked else now
        return min(report_at, self._clock.own_time(self._table.next_due))

    def _report(self, now: int) -> list[Send]:
        """How many wait, for the state of the pools; of those in which nobody does any more once, and at once."""
        self._report_at = min(self._report_at, now + REPORT_EVERY)  # our own clock may have been set back
        waits = self._waits()
        told = self._reported - waits
        if now >= self._report_at:
            self._report_at = now + REPORT_EVERY
            told |= waits
        self._reported = (self._reported | told) & waits
        return [
            Send(self._topics.ready, pool_partition(pool, self._settings.ready_partitions), value)
            for pool in sorted(told)
            for value in pack([self._table.queued(pool)])
        ]

    def _waits(self) -> set[str]:
        """The pools in which somebody waits, where their lines are kept here."""
        return self._table.waits() if self._home.alone else set()

    def _due(self, at: int) -> list[c.TaskCommand]:
        since, self._looked_at = self._looked_at, at
        due: list[c.TaskCommand] = [c.Wake(which, at, since) for which in self._table.ring(at, RING_LIMIT)]
        if self._table.sweeps(at, self._home.remember_done):
            due.append(c.Sweep(at))
        return due

    def _hear(self, commands: list[c.TaskCommand], at: int) -> None:
        """Learn the log's time. What a clock ahead of it has rung too early comes to nothing, and must ring again."""
        self._clock.hear(at)
        if commands and isinstance(commands[0], c.Wake | c.Sweep) and commands[0].at > at:
            self._clock.doubt()
            self._table.rewind(at)

    def _take(self, commands: list[c.TaskCommand], message: Incoming, skip: Container[int | bytes]) -> int | None:
        self._expect(commands)
        out, table, home, at = self._out, self._table, self._home, message.at
        position = position_of(message.offset)
        todo = [index for index in range(len(commands)) if index not in skip]
        try:
            if 0 in skip:  # it may have been left off while something was given away
                out.pools |= table.served()
                here = todo[0] if todo else len(commands)
                give_away(out, table, home, at, position + here * ROOM, skip, self._full)
                if out.pools:
                    return here
            begun_at = table.written
            for index in todo:
                if table.written - begun_at > TOGETHER:
                    give_away(out, table, home, at, position + index * ROOM, skip, self._full)
                    begun_at = table.written
                    if self._full():
                        return index
                command, told = commands[index], len(out.events)
                out.about = index
                handle(out, table, home, command, at, position + index * ROOM)
                if isinstance(command, c.WorkerLost):
                    self._news += with_it(command.worker, out.events[told:])
                if out.letters:
                    self._refuse(message, index)
            give_away(out, table, home, at, position + len(commands) * ROOM, skip, self._full)
        except Exception as error:
            raise BugError(out.about, error) from error
        return len(commands) if out.pools else None

    def _full(self) -> bool:
        """Whether what has been decided is to be sent and saved before more is."""
        return self._table.weight() > WEIGHT_LIMIT or self._out.weight > WEIGHT_LIMIT

    def _expect(self, commands: list[c.TaskCommand]) -> None:
        known: list[Any] = [k.id for k in commands if type(k) in c.OF_EXECUTION]  # type: ignore[union-attr]  # all of these have one
        self._table.expect(known, [k.id for k in commands if type(k) is c.Assign])

    def _lanes(self, lanes: dict[int, list[c.LaneMessage]]) -> list[Send]:
        return [Send(self._topics.dispatch, lane, value) for lane, jobs in lanes.items() for value in pack(jobs)]

    def _refuse(self, message: Incoming, index: int) -> None:
        for rejection, command in self._out.letters:
            log, place, shown = (self._topics.tasks, self._number), index, message._replace(value=readable(command))
            if came := getattr(command, "came", None):
                log, place, shown = (self._topics.submit, came[0]), 0, shown._replace(offset=came[1])
            refused = letter(rejection.reason, "schedule", log, shown, index=place, **_about(rejection, command))
            self._letters.append(msgspec.json.encode(refused))
        self._out.letters.clear()


def _about(rejection: Rejection, command: c.TaskCommand) -> dict[str, Any]:
    """By what whoever ordered it finds its dead letter: the order's moment, and an execution or a pipeline's run.

    Who writes envelopes may err: what no order of ours can name is left out, or cut.
    """
    about: dict[str, Any] = {"execution": to_text(rejection.execution) if rejection.execution else ""}
    if isinstance(command, c.Order) and 0 <= command.at <= LATEST:
        about["ordered_at"] = command.at
    if isinstance(command, c.ExecutePipeline):
        about |= {"pipeline": command.pipeline[:FIRST_BYTES], "run": command.run[:FIRST_BYTES]}
    return about
