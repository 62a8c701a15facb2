"""What others must hear of an event: pure messages, which the stage sends before the changelog is written.

Only the start of an at-most-once attempt goes out after it (`after`), and again when a partition is taken over.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field

from pipelines.ids import home_of
from pipelines.model import Happening
from streams.engine import commands as c
from streams.engine import events as e
from streams.engine.attempt import inputs
from streams.engine.decide import decide
from streams.engine.loan import spend
from streams.engine.place import ended
from streams.engine.records import ON_WORKER, TERMINAL, Execution, Job, State
from streams.engine.rejections import Rejection
from streams.engine.step import Partition, Sent, Step
from streams.engine.upstream import tell_all
from streams.engine.view import Table, View

BROKEN = "our own code failed on it: a dead letter says how"
"""Why an execution failed that could not be given to anybody."""

HAPPENINGS: dict[str, Happening] = {
    "succeeded": Happening.COMPLETED,
    "failed": Happening.FAILED,
    "upstream_failed": Happening.FAILED,
    "retrying": Happening.RETRIED,
    "lost": Happening.LOST,
    "late": Happening.LATE,
}


@dataclass(slots=True)
class Outbox:
    """Messages of a batch, by where they go."""

    events: list[e.RecordedEvent] = field(default_factory=list)
    notifications: list[e.Notification] = field(default_factory=list)
    ready: dict[str, list[c.ReadyCommand]] = field(default_factory=dict)  # by pool
    lanes: dict[int, list[c.LaneMessage]] = field(default_factory=dict)
    late_lanes: dict[int, list[c.LaneMessage]] = field(default_factory=dict)  # after the changelog
    homes: dict[int, list[c.TaskCommand]] = field(default_factory=dict)  # other partitions of headrace.tasks
    letters: list[tuple[Rejection, c.TaskCommand]] = field(default_factory=list)
    pools: set[str] = field(default_factory=set)  # in which somebody has come, or something was lent: see give_away
    about: int | bytes = 0
    """Which command of its message is decided on, or which execution is given away."""
    weight: int = 0
    """Bytes of what the jobs bring to their workers."""
    stale: int = 0


def refuse(out: Outbox, command: c.TaskCommand, rejection: Rejection) -> None:
    """Add to `out` what a rejection means: a void for the lane's count, a dead letter where somebody did wrong."""
    if isinstance(command, c.Assign):
        out.lanes.setdefault(command.lane, []).append(c.Void(command.worker, command.seq))
    if rejection.stale:
        out.stale += 1
    else:
        out.letters.append((rejection, command))


def job_of(view: View, partition: Partition, record: Execution) -> Job:
    """What the worker of a dispatched execution gets."""
    call, payload = view.body(record.id)
    return Job(
        execution=record.id,
        attempt=record.attempt,
        seq=record.seq,
        worker=record.worker,
        task=record.task,
        run=record.run,
        kind=record.kind,
        priority=record.priority,
        deadline=record.deadline,
        timeout=record.timeout,
        call=call,
        payload=payload,
        inputs=inputs(view, partition, record) if record.upstream else {},
        queue=record.queue,
        submitted_at=record.created_at,
        number=record.number,
    )


def undelivered(view: View, partition: Partition, records: list[Execution]) -> Outbox:
    """At a takeover: the at-most-once jobs whose message may not have left; workers drop what they know."""
    out = Outbox()
    for record in records:
        if record.at_most_once and record.state in ON_WORKER:
            _dispatch(out, view, partition, record)
    return out


def _dispatch(out: Outbox, view: View, partition: Partition, record: Execution) -> None:
    lanes, job = out.late_lanes if record.at_most_once else out.lanes, job_of(view, partition, record)
    lanes.setdefault(record.lane, []).append(c.Run(job))
    out.weight += len(job.call) + len(job.payload) + sum(map(len, job.inputs.values()))


def _follow(out: Outbox, view: View, partition: Partition, event: e.Event) -> None:
    """Add to `out` what `event` means to others."""
    if type(event) is e.Moved:
        if event.what not in e.UNRECORDED:
            out.events.append(event)
            _follow_move(out, view, partition, event)
    elif isinstance(event, e.TakenBack):
        voids = [c.Void(event.loan.worker, first, last) for first, last in event.loan.spans]
        out.lanes.setdefault(event.loan.lane, []).extend(voids)
    elif isinstance(event, e.Lent):
        out.pools.add(event.loan.pool)
    elif isinstance(event, e.TaskCreated | e.PipelineCreated | e.TaskDeleted):
        out.events.append(event)


def _follow_move(out: Outbox, view: View, partition: Partition, event: e.Moved) -> None:
    record, what = event.execution, event.what
    if record.notify:
        out.notifications.extend(_notifications(event))
    if record.upstream and what == "created":
        _watch_others(out, partition, record)
    if what == "assigned":
        _dispatch(out, view, partition, record)
    elif record.state == State.WAITING:
        if what == "late":
            return
        if partition.alone:
            out.pools.add(record.pool)
        else:
            out.ready.setdefault(record.pool, []).append(_ready(record))
    elif record.state in TERMINAL:
        _leave(out, partition, record)
    elif record.state == State.RETRYING and record.lane >= 0:
        _stop(out, record)


def _ready(record: Execution) -> c.Ready:
    r = record
    return c.Ready(r.pool, r.id, r.attempt + 1, r.priority, r.deadline, r.ready_at, r.arrival)


def _leave(out: Outbox, partition: Partition, record: Execution) -> None:
    """A worker that still has it stops; a line in which it still stands lets it go."""
    if record.lane >= 0:
        _stop(out, record)
    elif record.ready_at and not record.dispatched_at and not partition.alone:
        place = record.priority, record.deadline, record.ready_at, record.arrival
        gone = c.Withdraw(record.pool, record.id, *place)
        out.ready.setdefault(record.pool, []).append(gone)


def _stop(out: Outbox, record: Execution) -> None:
    stop = c.Stop(record.worker, record.id, record.attempt)
    now = out.lanes.setdefault(record.lane, [])
    now.append(stop)
    if record.at_most_once:  # its job may leave after the changelog, or never: a crash there must not lose its number
        now.append(c.Void(record.worker, record.seq))
        out.late_lanes.setdefault(record.lane, []).append(stop)


def _notifications(event: e.Moved) -> Iterator[e.Notification]:
    record = event.execution
    happening = HAPPENINGS.get(record.state if event.what == "created" else event.what)
    for rule in record.notify if happening else ():
        if happening in rule.on:
            yield e.Notification(happening, event.at, rule, record, event.lost)


def _watch_others(out: Outbox, partition: Partition, record: Execution) -> None:
    for upstream, _, outcome in record.upstream:
        home = home_of(upstream, partition.count)
        if home != partition.number and not outcome:
            out.homes.setdefault(home, []).append(c.Watch(upstream, record.id))


def handle(  # noqa: PLR0917  (a decision and all it hangs on)
    out: Outbox, table: Table, partition: Partition, command: c.TaskCommand, now: int, position: int = 0
) -> None:
    """Decide on one command, apply what happens, and add to `out` what others must hear.

    Once some have been decided on, `give_away` has to be called.
    """
    for item in decide(table, partition, command, now, position):
        if type(item) is e.Moved:  # nearly all: the others' questions cost more than the answer
            _follow(out, table, partition, item)
        elif isinstance(item, Rejection):
            refuse(out, command, item)
        else:
            _tell(out, table, partition, item)


def give_away(  # noqa: PLR0917  (as above)
    out: Outbox,
    table: Table,
    partition: Partition,
    now: int,
    position: int = 0,
    broken: Container[int | bytes] = (),
    full: Callable[[], bool] = lambda: False,
) -> None:
    """Give what is lent to who is first in line, until one of both runs out, and add to `out` what others must hear.

    It must follow from the log when this is called: what came in between is ordered as if it had come at once. Who is
    `broken`, because our own code failed on it, fails. Where it is `full` before all is done, pools are left in `out`:
    it goes on with them when it is called again, and comes to the same.
    """
    while out.pools:
        pool = min(out.pools)  # anew for each of them: who comes next must follow from the table alone
        loan, which = table.lender(pool), table.first(pool)
        if loan is None or which is None:
            out.pools.remove(pool)
            continue
        if full():
            return
        out.about = which
        step = Step(table, partition, now, position)
        if which in broken:
            _fail(step, which)
        else:
            spend(step, loan, which)
        tell_all(step)
        for item in step.out:
            if not isinstance(item, Rejection):
                _tell(out, table, partition, item)


def _fail(step: Step, which: bytes) -> None:
    record = step.table.execution(which)
    if record is None or record.state != State.WAITING:
        raise LookupError(f"{which.hex()} stands in line, and does not wait")
    step.move(record, "failed", **ended(State.FAILED, step.now, BROKEN), error=BROKEN)


def _tell(out: Outbox, table: Table, partition: Partition, item: e.Event | Sent) -> None:
    if not isinstance(item, Sent):
        _follow(out, table, partition, item)
        return
    home = partition.number
    if not isinstance(item, c.WorkerLost):
        home = home_of(item.id, partition.count)
    out.homes.setdefault(home, []).append(item)
