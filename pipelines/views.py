"""What people read back over HTTP: the shapes of the API's answers. Times are aware UTC, durations milliseconds."""

from typing import Literal, get_args

from pydantic import AwareDatetime, JsonValue

from pipelines.model import Delivery, Model

StateName = Literal[
    "scheduled", "blocked", "waiting", "dispatched", "running", "retrying",
    "succeeded", "failed", "lost", "cancelled", "skipped", "upstream_failed",
]  # fmt: skip
TERMINAL_STATES: frozenset[StateName] = frozenset(
    {"succeeded", "failed", "lost", "cancelled", "skipped", "upstream_failed"}
)
OPEN_STATES: frozenset[StateName] = frozenset(get_args(StateName)) - TERMINAL_STATES
Verb = Literal["cancel", "retry"]
CHANGEABLE: dict[Verb, frozenset[StateName]] = {"cancel": OPEN_STATES, "retry": TERMINAL_STATES}
"""The states in which an execution can be changed so: what a filter means in an order about many."""


class UpstreamView(Model):
    """An upstream execution and how it ended (none: not yet)."""

    execution: str
    task: str
    state: StateName | None = None


class AttemptView(Model):
    """One try on one worker. A lost one has no `ran_ms`: `finished_at` is when it was found lost, not when it ended."""

    attempt: int
    state: StateName
    worker: str | None = None
    ready_at: AwareDatetime | None = None
    dispatched_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    waited_ms: int | None = None
    ran_ms: int | None = None
    error: str | None = None


class ExecutionRow(Model):
    """An execution in a list. A lost one has no `ran_ms`: `finished_at` is when it was found lost.

    `again`: which retry by hand of its task in its run it is; 0: the first execution.
    """

    execution: str
    task: str
    pipeline: str | None = None
    run: str
    kind: str
    state: StateName
    priority: int
    pool: str
    queue: str
    owner: str
    again: int = 0
    attempt: int
    worker: str | None = None
    late: bool = False
    created_at: AwareDatetime
    due_at: AwareDatetime | None = None
    ready_at: AwareDatetime | None = None
    dispatched_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    waited_ms: int | None = None
    ran_ms: int | None = None
    max_latency_ms: int | None = None
    reason: str | None = None
    error: str | None = None


class ExecutionView(ExecutionRow):
    """One execution with all that is known about it. `why` says in sentences why it waits, hardest cause first."""

    trigger: str
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    upstream: tuple[UpstreamView, ...] = ()
    downstream: tuple[UpstreamView, ...] = ()
    attempts: tuple[AttemptView, ...] = ()
    why: tuple[str, ...] = ()
    call: JsonValue = None
    payload: JsonValue = None
    result: JsonValue = None
    result_cut: bool = False
    retry_of: str | None = None
    retried_as: str | None = None


class EventView(Model):
    """A transition."""

    at: AwareDatetime
    what: str
    state: StateName
    attempt: int
    worker: str | None = None
    reason: str | None = None
    error: str | None = None


class LogView(Model):
    """A line of output. `cursor` is what to ask for next: lines after it."""

    cursor: str
    at: AwareDatetime
    attempt: int
    stream: str
    level: str | None = None
    text: str


class TaskView(Model):
    """A task's definition."""

    task: str
    kind: str
    priority: int
    pool: str
    queue: str
    owner: str
    trigger: str
    upstream: tuple[str, ...] = ()
    description: str = ""
    created_at: AwareDatetime
    deleted: bool = False
    call: JsonValue = None
    payload: JsonValue = None


class WorkerView(Model):
    """A worker as its pool's dispatcher sees it."""

    worker: str
    pool: str
    host: str
    pid: int
    version: str
    lane: int | None = None
    slots: int
    running: int
    held: int
    draining: bool = False
    silent_ms: int


class PoolView(Model):
    """A pool: who waits by priority (index = priority), who works."""

    pool: str
    at: AwareDatetime
    waiting: tuple[int, ...]
    oldest_wait_ms: int | None = None
    slots: int
    running: int
    workers: tuple[WorkerView, ...] = ()


class MinuteView(Model):
    """A step of history, which begins with `minute`."""

    minute: AwareDatetime
    created: int = 0
    succeeded: int = 0
    failed: int = 0
    other: int = 0
    late: int = 0
    waited_p50_ms: float | None = None
    waited_p99_ms: float | None = None
    ran_p50_ms: float | None = None
    ran_p99_ms: float | None = None


class OverviewView(Model):
    """Is all well? Counts of states now, of the range, and by steps of `step_ms`; empty steps are left out."""

    at: AwareDatetime
    now: dict[StateName, int]
    ended: dict[StateName, int]
    late_now: int
    late_next_5_min: int
    failed: int
    per_second: float
    pools: tuple[PoolView, ...] = ()
    step_ms: int = 60_000
    minutes: tuple[MinuteView, ...] = ()


class DeadLetterView(Model):
    """What was refused, and why: at the place of its event, or as a command.

    A message of ours holds many commands: `index` is the refused one's place in it. Whoever ordered it finds it by
    `ordered_at`, which the order's answer has as well, with the execution, or with the pipeline and the run.
    """

    at: AwareDatetime
    reason: str
    stage: str
    topic: str
    partition: int
    offset: int
    first_bytes: str
    execution: str | None = None
    index: int = 0
    ordered_at: AwareDatetime | None = None
    pipeline: str | None = None
    run: str | None = None


class Accepted(Model):
    """A command is durable. `decided`: the caller waited for the first decision, and there was one in time.

    `state` and `existing` are known only then. `existing`: the task was executed in this run before; nothing was
    executed now, and `state` is of what was there. `retry_of`: what is executed again, as `execution`. `ordered_at` is
    the moment of this order, which its dead letter has too; `created_at` is the same, where it executes a task or a
    pipeline: an execution that it made has the very same one.
    `detail`: what to know of a lost one that is retried.
    """

    execution: str | None = None
    task: str | None = None
    pipeline: str | None = None
    run: str | None = None
    executions: dict[str, str] | None = None
    state: StateName | None = None
    existing: bool | None = None
    created_at: AwareDatetime | None = None
    ordered_at: AwareDatetime | None = None
    retry_of: str | None = None
    detail: str | None = None
    decided: bool = False

    @property
    def made(self) -> tuple[str, ...]:
        """The executions that it makes; of a pipeline's run those of its tasks, where they are known."""
        return tuple(self.executions.values()) if self.executions else (self.execution,) if self.execution else ()


class RefusalView(Model):
    """Why one of many was left alone."""

    execution: str
    detail: str


class BulkAnswer(Model):
    """What became of a request about many: how many were taken on, what they are called now, who was left alone.

    `detail`: what to know of a filter that nothing matched, or of lost ones that are retried.
    """

    accepted: int
    executions: dict[str, str]
    refused: tuple[RefusalView, ...] = ()
    detail: str | None = None


class ExecutionPage(Model):
    """A page of executions. `next` continues it; `total` counts all that match."""

    items: tuple[ExecutionRow, ...]
    total: int
    next: str | None = None


class QueryAnswer(Model):
    """Rows of a SQL query, and what they cost."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[JsonValue, ...], ...]
    cut: bool = False
    elapsed_ms: float
    read_rows: int | None = None


class Problem(Model):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: tuple[dict[str, JsonValue], ...] = ()


class PipelineView(Model):
    """A pipeline: its tasks, in the order of its file."""

    pipeline: str
    description: str = ""
    tasks: tuple[str, ...]
    created_at: AwareDatetime


class RunView(Model):
    """A run of a pipeline: how many of its executions stand where. `finished_at` is none while one has not ended."""

    pipeline: str
    run: str
    created_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    states: dict[StateName, int]


class RoleView(Model):
    """A process of ours, as it last reported itself; `alive`: within the last ten seconds."""

    role: str
    name: str
    host: str = ""
    pid: int = 0
    alive: bool
    silent_ms: int


class HealthView(Model):
    """Whether the edge serves, whom it has heard of, and whether the history keeps up.

    `problems`: all that is wrong, in words, be it elsewhere. `degraded`: there are some.
    """

    status: Literal["ok", "degraded"]
    version: str
    at: AwareDatetime
    problems: tuple[str, ...] = ()
    roles: tuple[RoleView, ...] = ()
