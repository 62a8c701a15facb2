"""What has happened: facts that only `apply` turns into state, and that RECORD writes to ClickHouse."""

from msgspec import Struct

from streams.engine.records import Execution, Loan, Rule, TaskDef


class _Event(Struct, frozen=True, array_like=True, tag=True, gc=False):
    pass


class TaskCreated(_Event, frozen=True, tag="tc"):
    """A task exists, or was replaced."""

    task: TaskDef
    at: int


class PipelineCreated(_Event, frozen=True, tag="pc"):
    """A pipeline exists, or was replaced."""

    id: str
    tasks: tuple[str, ...]
    at: int
    description: str = ""


class TaskDeleted(_Event, frozen=True, tag="td"):
    """A task takes no further executions."""

    task: str
    at: int


class Moved(_Event, frozen=True, tag="mv"):
    """An execution took a step: `execution` is its record after the step.

    `what` is the step: created, blocked, ready, assigned, started, succeeded, failed, retrying, lost, cancelled,
    skipped, upstream_failed, returned, late, upstream_finished, retried; docs/states.md says when. All but UNRECORDED
    reach ClickHouse.
    """

    what: str
    at: int
    execution: Execution
    result: bytes = b""  # JSON of a success, empty = none
    cut: bool = False
    payload: bytes = b""  # with `created` only: the payload in force, JSON or empty
    task_def: TaskDef | None = None  # unused; it must stay, since `call` stands behind it in the array
    call: bytes = b""  # with `created` only
    lost: bool = False  # the attempt went with its worker, and did not fail itself


class Postponed(_Event, frozen=True, tag="po"):
    """An execution's timer rang behind a gap in the log; it rings again at `until`."""

    id: bytes
    until: int


class Forgotten(_Event, frozen=True, tag="fo"):
    """An execution that ended long ago leaves the table (ClickHouse keeps it); a mark stays, unless `until` is 0."""

    id: bytes
    at: int
    until: int = 0


class WorkerBanned(_Event, frozen=True, tag="wb"):
    """A worker's lease ran out here: no assignment to it is accepted any more, until none can come (`until`)."""

    worker: str
    at: int
    until: int = 0


class Lent(_Event, frozen=True, tag="le"):
    """What SCHEDULE has of a worker's assignments, now that some came or one was made."""

    loan: Loan


class TakenBack(_Event, frozen=True, tag="tb"):
    """What was left of a loan is given to nobody."""

    loan: Loan


class Swept(_Event, frozen=True, tag="sw"):
    """Marks and bans have outlived their use; `keys` are the table's own."""

    keys: tuple[bytes, ...]
    at: int


class ResultKept(_Event, frozen=True, tag="rk"):
    """The value of an upstream that lives on another partition, kept for the execution `id` that waits here."""

    id: bytes
    upstream: bytes
    result: bytes


class WatchKept(_Event, frozen=True, tag="wt"):
    """`watcher` is to be told when `id` ends, whether `id` exists yet or not; it knows it as `known_as`."""

    id: bytes
    watcher: bytes
    known_as: bytes


class WatchEnded(_Event, frozen=True, tag="we"):
    """`watcher` no longer wants to be told when `id` ends: it has ended itself, or `id` leaves the table."""

    id: bytes
    watcher: bytes


Event = (
    TaskCreated
    | PipelineCreated
    | TaskDeleted
    | Moved
    | Postponed
    | Forgotten
    | WorkerBanned
    | Lent
    | TakenBack
    | Swept
    | ResultKept
    | WatchKept
    | WatchEnded
)
RecordedEvent = TaskCreated | PipelineCreated | TaskDeleted | Moved

UNRECORDED = frozenset({"upstream_finished", "retried"})
"""Steps that change no figure people look at: they stay inside."""


class LogLine(Struct, frozen=True, array_like=True, gc=False):
    """One line of output, on headrace.logs. (execution, attempt, seq) is unique."""

    execution: bytes
    attempt: int
    seq: int
    at: int
    stream: str  # stdout, stderr, log
    level: str  # "" where there is none
    text: str
    worker: str


class Notification(Struct, frozen=True, array_like=True, gc=False):
    """Somebody is to be told, on headrace.notifications. (execution, version, address) is unique."""

    happening: str
    at: int
    rule: Rule
    execution: Execution
    lost: bool = False  # as in Moved


class Refused(Struct, frozen=True):
    """A dead letter, on headrace.dead-letters: JSON there, so that any tool can read it."""

    reason: str
    stage: str
    topic: str
    partition: int
    offset: int
    at: int
    first_bytes: str  # up to 2 KiB, as text with escapes
    execution: str = ""
    index: int = 0  # which command of the message, from 0
    ordered_at: int | None = None  # the moment that the order itself names; none: it is no order
    pipeline: str | None = None
    run: str | None = None
