"""Bugs on purpose, to show that each is found. They exist only here: each replaces a real part while it is planted."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from msgspec.structs import replace

from sinks.notify.progress import Line as Progress
from sinks.record.batch import Batch
from sinks.record.columns import Source
from streams.engine import attempt, decide, execute, follow, line, loan, trigger
from streams.engine import commands as c
from streams.engine.dispatch import Dispatcher
from streams.engine.events import Moved, Swept
from streams.engine.line import order_of
from streams.engine.place import enter
from streams.engine.records import ON_WORKER, TERMINAL, Execution, Loan, State
from streams.engine.step import Step
from streams.stages import lines
from streams.stages.incoming import Incoming, Send
from streams.stages.lines import Lines
from streams.stages.loop import Loop
from streams.stages.schedule import Schedule
from streams.state.partition import Changes, Derive
from streams.state.replay import apply_records
from streams.state.store import MARKER, Position, Store
from streams.state.writer import Writer
from tests.simulated.virtual import kafka
from tests.simulated.virtual.broker import Broker, Record
from tests.simulated.virtual.sinks import House, TableRow

batch, keep, letter, fenced_producer = Loop._batch, House.keep, Loop._letter, kafka.fenced_producer
tables, spend, first, fail = Batch.tables, loan.spend, Lines.first, attempt.fail


class Bug(NamedTuple):
    """How to plant it, and the promises of which it must break one."""

    plant: Callable[[], contextlib.AbstractContextManager[object]]
    breaks: frozenset[str]


async def early_ack(self: Loop) -> int:
    """The place in the input is committed before what follows from it is sent or kept."""
    if self._take():
        await self._partition.commit(Changes([], []), self._unsaved[-1].offset)
    return await batch(self)


async def marker_first(self: Loop) -> int:
    """The changelog is written before the outputs are sent."""
    count = self._take()
    before, self._late = self._logic.outputs()
    if self._unsaved:
        await self._save()
    await self._send(before + self._letters + self._bugs)
    self._letters.clear()
    self._bugs.clear()
    return count


def assign_again(step: Step, command: c.Assign) -> None:
    """A repeated proposal is carried out once more."""
    record = step.table.execution(command.id)
    if record and record.state == State.DISPATCHED and record.attempt == command.attempt:
        step.move(record, "assigned", attempt=record.attempt + 1, worker=command.worker, seq=command.seq)
    else:
        attempt.assign(step, command)


def forget_pending(rule: str, outcomes: list[str]) -> trigger.Verdict:
    """An upstream that has not ended is none."""
    return trigger.judge(rule, [outcome for outcome in outcomes if outcome])


def any_attempt(record: Execution, _command: c.Finished) -> bool:
    """Whoever says that it ended is believed."""
    return record.state in ON_WORKER


def fail_twice(step: Step, record: Execution, error: str, seen: dict[str, Any], *, final: bool = False) -> None:
    """A failure of its code takes two of its retries."""
    fail(step, replace(record, failures=record.failures + 1), error, seen, final=final)


def lose_tail(name: str, store: Store, derive: Derive, records: list[Record], end: int) -> None:
    """Of what an earlier owner wrote last only the marker is read."""
    marks = [record.offset for record in records if record.key == MARKER]
    tail = range(marks[-2] + 1 if len(marks) > 1 else 0, marks[-1] if marks else 0)
    apply_records(name, store, derive, [r for r in records if r.offset not in tail], end)


async def unfenced_producer(broker: Broker, name: str) -> tuple[kafka.Producer, int]:
    """A new owner of a changelog shuts nobody out."""
    producer, _ = await fenced_producer(broker, name)
    producer.fence = name, 1 << 30
    return producer, 1 << 30


def follow_anyone(self: Writer, first: int, last: Position) -> Position:
    """A writer does not mind that others write between its batches."""
    self._next = last.offset + 1 if first else 0
    return last


def lowest_first(who: c.Ready | c.Withdraw | Execution) -> bytes:
    """The line is sorted the wrong way round."""
    return order_of(replace(who, priority=9 - who.priority))


def last_in_line(self: Lines, pool: str) -> bytes | None:
    """What is lent is given to who came last."""
    return self.head(pool, 1_000_000)[-1] if first(self, pool) else None


def spend_twice(step: Step, lent: Loan, which: bytes) -> None:
    """What was given away of a loan is still there."""
    with patch.object(loan, "Lent", lambda _loan: Swept((), step.now)):
        spend(step, lent, which)


@contextlib.contextmanager
def _upside_down() -> Any:
    with patch.object(line, "order_of", lowest_first), patch.object(lines, "order_of", lowest_first):
        yield


def nobody_silent(_self: Dispatcher, _now: int) -> list[c.Silent]:
    """Whoever is gone is waited for."""
    return []


def keep_all(self: House, table: str, row: TableRow) -> None:
    """A plain MergeTree: a repeated row is one more."""
    rows = self.tables[table]
    if table == "executions" and row in rows.values():
        rows[len(rows),] = row
    else:
        keep(self, table, row)


def forget_row(self: Batch) -> Iterator[tuple[str, Collection[Source]]]:
    """Every fourth execution, by its id, gets no row."""
    self._executions = {life: step for life, step in self._executions.items() if life[0][0] % 4}
    return tables(self)


def read_is_told(self: Progress) -> tuple[int, str] | None:
    """What was read counts as delivered."""
    return None if self._next < 0 else (self._next, "")


def execute_again(step: Step, command: c.Execute) -> None:
    """A repeated submission of what has ended begins it again."""
    record = step.table.execution(command.id)
    if record and record.state in TERMINAL:
        again = {**enter(record, step.now), "version": record.version + 1}
        step.emit(Moved("ready", step.now, replace(record, **again)))
    else:
        execute.execute(step, command)


def first_says_nothing(_self: Schedule) -> list[Send]:
    """A takeover does not repeat what its predecessor may not have sent."""
    return []


def letter_without_reason(self: Loop, reason: str, message: Incoming) -> Send:
    """A dead letter that does not say why."""
    sent = letter(self, reason, message)
    return sent._replace(value=msgspec.json.encode({**msgspec.json.decode(sent.value), "reason": ""}))


def _instead(target: object, name: str, bug: object, *breaks: str) -> Bug:
    return Bug(lambda: patch.object(target, name, bug), frozenset(breaks))


def _processing(command: type, bug: object, *breaks: str) -> Bug:
    return Bug(lambda: patch.dict(decide._PROCESSORS, {command: bug}), frozenset(breaks))


@contextlib.contextmanager
def _unfenced() -> Any:
    with patch.object(kafka, "fenced_producer", unfenced_producer), patch.object(Writer, "_follow", follow_anyone):
        yield


BUGS: dict[str, Bug] = {
    "early ack": _instead(Loop, "_batch", early_ack, "I1", "I6", "I10"),
    "marker before output": _instead(Loop, "_batch", marker_first, "I1", "I10"),
    "double dispatch": _processing(c.Assign, assign_again, "I2"),
    "dropped dependency": Bug(lambda: patch("streams.engine.place.judge", forget_pending), frozenset({"I4"})),
    "stale accept": _instead(attempt, "_counts", any_attempt, "I9"),
    "retry counted twice": _instead(attempt, "fail", fail_twice, "I3"),
    "lost tail": Bug(lambda: patch("streams.state.room.apply_records", lose_tail), frozenset({"I1", "I6", "I10"})),
    "unfenced writer": Bug(_unfenced, frozenset({"I6", "I9"})),
    "swapped priority": Bug(_upside_down, frozenset({"I5"})),
    "loan past the line": _instead(Lines, "first", last_in_line, "I5"),
    "loan spent twice": _instead(follow, "spend", spend_twice, "I5"),
    "forgotten lease": _instead(Dispatcher, "silent", nobody_silent, "I10"),
    "repeated row": _instead(House, "keep", keep_all, "I7"),
    "forgotten row": _instead(Batch, "tables", forget_row, "I7"),
    "lost notification": _instead(Progress, "commit", read_is_told, "I8"),
    "resurrected state": _processing(c.Execute, execute_again, "I9"),
    "forgotten takeover": _instead(Schedule, "first", first_says_nothing, "I10"),
    "dead letter without a reason": _instead(Loop, "_letter", letter_without_reason, "I11"),
}
"""Each bug by its name."""
