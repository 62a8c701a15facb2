"""What the tables hold and what travels between stages: slotted structs, times in epoch milliseconds."""

from enum import StrEnum

from msgspec import Struct

MOST_CRITICAL = 9
"""The highest priority; 0 is the lowest."""

LATEST = 10_413_791_999_999
"""The last moment that anybody may name, milliseconds: the end of the year 2299, as far as history's columns reach."""


class State(StrEnum):
    """Where an execution stands. docs/states.md draws what leads in and out of each."""

    SCHEDULED = "scheduled"  # not due yet
    BLOCKED = "blocked"  # due, but its trigger rule does not hold yet
    WAITING = "waiting"  # may run; stands in its pool's line
    DISPATCHED = "dispatched"  # given to a worker that has not said yet that it started
    RUNNING = "running"  # its code runs
    RETRYING = "retrying"  # an attempt failed; the next one is due later
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # its retries are used up
    LOST = "lost"  # nobody can know whether it ran, and it may not run twice
    CANCELLED = "cancelled"  # stopped by a person or a program
    SKIPPED = "skipped"  # its trigger rule cannot hold any more, or its code asked for it
    UPSTREAM_FAILED = "upstream_failed"  # its trigger rule cannot hold any more because an upstream failed


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.LOST, State.CANCELLED, State.SKIPPED, State.UPSTREAM_FAILED})
ON_WORKER = frozenset({State.DISPATCHED, State.RUNNING})


SHORT = 64
"""Bytes of the longest value that stands in its execution's record."""


class Rule(Struct, frozen=True, array_like=True, gc=False):
    """A notify rule: happenings, Apprise addresses, templates (empty: the standard ones)."""

    on: tuple[str, ...]
    to: tuple[str, ...]
    title: str = ""
    body: str = ""


class RetryPolicy(Struct, frozen=True, array_like=True, gc=False):
    """Milliseconds; see pipelines.model.Retries."""

    limit: int = 0
    delay: int = 1000
    factor: float = 2.0
    max_delay: int = 300_000
    jitter: float = 0.1


class TaskDef(Struct, frozen=True, array_like=True, gc=False):
    """A task's definition inside. `upstream` holds (task, run); an empty run means one's own run.

    `call` is the kind's own fields as JSON, `payload` is JSON or empty (none); the engine reads neither.
    Durations are milliseconds, 0 is none.
    """

    id: str
    kind: str
    call: bytes = b""
    payload: bytes = b""
    priority: int = 5
    pool: str = "default"
    queue: str = "default"
    upstream: tuple[tuple[str, str], ...] = ()
    trigger: str = "all_success"
    retry: RetryPolicy = RetryPolicy()
    timeout: int = 0
    execution_timeout: int = 0
    max_latency: int = 0
    at_most_once: bool = False
    notify: tuple[Rule, ...] = ()
    owner: str = "anyone"
    description: str = ""
    sleep: int = 0  # milliseconds, kind `sleep` only


class Execution(Struct, frozen=True, array_like=True, gc=False):
    """One execution as the `tasks` table holds it and as every event carries it."""

    id: bytes
    task: str
    run: str
    kind: str
    state: str
    version: int = 1  # counts this execution's transitions
    attempt: int = 0  # the fencing epoch: grows whenever it is given to a worker anew
    failures: int = 0  # attempts that count against the retries
    priority: int = 5
    pool: str = "default"
    queue: str = "default"
    owner: str = "anyone"
    at_most_once: bool = False
    trigger: str = "all_success"
    upstream: tuple[tuple[bytes, str, str], ...] = ()  # (execution id, task, how it ended; "" = not yet)
    watched: bool = False  # executions elsewhere in the table's `watchers` want to know when this one ends
    retry: RetryPolicy = RetryPolicy()
    timeout: int = 0
    execution_timeout: int = 0
    max_latency: int = 0
    notify: tuple[Rule, ...] = ()
    created_at: int = 0
    due_at: int = 0
    ready_at: int = 0  # when it last entered the line
    dispatched_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    wake_at: int = 0  # the one timer: when the scheduler looks at it again; 0 = never
    deadline: int = 0  # its place inside its priority, milliseconds
    worker: str = ""  # the incarnation that has it, or had it last
    lane: int = -1
    late: bool = False  # missed max_latency
    reason: str = ""  # why it is in this state, for people
    error: str = ""  # of the last failed attempt
    has_result: bool = False
    again: int = 0  # which manual retry of (task, run) this is
    retry_of: bytes = b""
    retried_as: bytes = b""
    retry_at: int = 0  # when the next attempt is due, in state `retrying`
    losses: int = 0  # workers lost while they had it
    sleep: int = 0  # milliseconds, kind `sleep` only
    seq: int = 0  # of the assignment, as its lane counts
    arrival: int = 0  # where in its partition's log it last entered the line: first come, first served within a moment
    value: bytes = b""  # JSON of a success that is short; a longer one has a record of its own
    handed_back: int = 0  # attempts that their workers handed back before they began

    @property
    def number(self) -> int:
        """The attempt as people count: one that never began takes no number."""
        return self.attempt - self.handed_back


class Loan(Struct, frozen=True, array_like=True, gc=False):
    """Assignments of a worker that SCHEDULE may make by itself: `spans` of their numbers, as its lane counts."""

    worker: str
    pool: str
    lane: int
    upto: int  # the last number that was ever lent
    spans: tuple[tuple[int, int], ...] = ()  # the first and the last of each

    @property
    def left(self) -> int:
        """How many are left."""
        return sum(last + 1 - first for first, last in self.spans)


class Mark(Struct, frozen=True, gc=False):
    """What stays of an execution that was forgotten: how it ended."""

    state: str
    retried_as: bytes = b""


class Job(Struct, frozen=True, array_like=True, gc=False):
    """What a worker gets to do. `call`, `payload` and each input are JSON (payload empty: none)."""

    execution: bytes
    attempt: int
    seq: int  # the lane's count, for credits
    worker: str  # the incarnation it is meant for
    task: str
    run: str
    kind: str
    priority: int
    deadline: int
    timeout: int  # milliseconds, 0 = none
    call: bytes
    payload: bytes
    inputs: dict[str, bytes] = {}  # results of the upstream tasks, by task id
    queue: str = "default"
    submitted_at: int = 0
    number: int = 1  # of the attempt, as people count
