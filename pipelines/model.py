"""A task and a pipeline as people write them: checked at the edge, and from then on trusted.

Durations are seconds here (a number, or ISO 8601 such as `PT5M`); inside, everything is milliseconds.
"""

import graphlib
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

PAYLOAD_LIMIT = 256 * 1024
"""Bytes of a payload as compact JSON; a larger one is refused."""

TASK_ID = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$"
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
RUN_ID = r"^[^\x00-\x1f\x7f]*$"
URL = r"^https?://"
ADDRESS = r"^[A-Za-z0-9]+://."
NAMESPACE = r"^[a-z0-9-]{1,60}$"
TaskId = Annotated[str, StringConstraints(pattern=TASK_ID)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
RunId = Annotated[str, StringConstraints(max_length=200, pattern=RUN_ID)]
Address = Annotated[str, StringConstraints(pattern=ADDRESS)]
Seconds = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3650))]


class Model(BaseModel):
    """What every model of ours shares: unknown fields are errors, values do not change."""

    # NaN, which JSON has not, travels as such, and whoever reads it refuses it: as null it would be taken for a value
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_timedelta="float", ser_json_inf_nan="constants")


class Trigger(StrEnum):
    """When a task may run, given how its upstream tasks ended."""

    ALL_SUCCESS = "all_success"  # every upstream succeeded
    ALL_DONE = "all_done"  # every upstream has ended, however
    ONE_SUCCESS = "one_success"  # at least one succeeded; does not wait for the others
    ONE_FAILED = "one_failed"  # at least one failed; does not wait for the others
    NONE_FAILED = "none_failed"  # every upstream has ended and none failed
    ALL_FAILED = "all_failed"  # every upstream failed
    NONE_SKIPPED = "none_skipped"  # every upstream has ended and none was skipped
    ALWAYS = "always"  # waits for nothing


class Delivery(StrEnum):
    """What to do when nobody can know whether an attempt ran."""

    AT_LEAST_ONCE = "at_least_once"  # run it again
    AT_MOST_ONCE = "at_most_once"  # never start it a second time: it ends as `lost`

    @classmethod
    def of(cls, at_most_once: bool) -> "Delivery":  # noqa: FBT001  (what records and rows hold in its place)
        """As records and rows have it."""
        return cls.AT_MOST_ONCE if at_most_once else cls.AT_LEAST_ONCE


class Retries(Model):
    """How often and how late a failed attempt is tried again (exponential, with jitter)."""

    limit: int = Field(0, ge=0, le=1000, description="Attempts after the first one.")
    delay: Seconds = Field(timedelta(seconds=1), description="Before the first retry.")
    factor: float = Field(2.0, ge=1, le=100, description="Each further delay is this many times longer.")
    max_delay: Seconds = Field(timedelta(minutes=5), description="No delay is longer than this.")
    jitter: float = Field(0.1, ge=0, le=1, description="Share of the delay that is random, seeded by the id.")


def _limited(given: object) -> object:
    if isinstance(given, dict | Retries):
        return given
    if type(given) is not int:
        raise PydanticCustomError("form", "Input should be a number, or an object that has it as limit")
    return {"limit": given}


AnyRetries = Annotated[
    Retries, BeforeValidator(_limited, json_schema_input_type=Annotated[int, Field(ge=0, le=1000)] | Retries)
]
"""Retries, or their limit alone."""


class Happening(StrEnum):
    """What a notify rule can listen for."""

    COMPLETED = "completed"  # ended as succeeded
    FAILED = "failed"  # ended as failed or upstream_failed
    RETRIED = "retried"  # an attempt failed and another will follow
    LOST = "lost"  # ended as lost
    LATE = "late"  # waited longer than max_latency


class NotifyRule(Model):
    """Whom to tell of what."""

    on: tuple[Happening, ...] = Field((Happening.FAILED, Happening.LOST), min_length=1)
    to: tuple[Address, ...] = Field(min_length=1, max_length=20, description="Apprise addresses.")
    title: str | None = Field(None, max_length=500, description="Jinja2 template; none: the standard one.")
    body: str | None = Field(None, max_length=8000, description="Jinja2 template; none: the standard one.")


def _told(given: object) -> object:
    if isinstance(given, NotifyRule | dict):
        return given
    if not isinstance(given, str):
        raise PydanticCustomError("form", "Input should be an Apprise address, or an object that has some as to")
    return {"to": (given,)}


AnyNotifyRule = Annotated[NotifyRule, BeforeValidator(_told, json_schema_input_type=str | NotifyRule)]
"""A rule, or one address alone, which is told of failure and loss."""


class UpstreamRef(Model):
    """An upstream task in another run than one's own."""

    task: TaskId
    run: RunId


TEXT, LIST, OBJECT = "<text>", "<list>", "<object>"
FORMS: dict[type, str] = {str: TEXT, list: LIST, tuple: LIST, dict: OBJECT, UpstreamRef: OBJECT}
"""What tells the members of a union apart that has no field for that: the form of what came. No field is named so."""


def _form(given: object) -> str | None:
    return next((form for kind, form in FORMS.items() if isinstance(given, kind)), None)


def _one_of(wanted: str) -> Discriminator:
    """By form; a form that no member has is one fault, not one for each member."""
    said = f"Input should be {wanted}"
    return Discriminator(_form, custom_error_type="form", custom_error_message=said)


AnyUpstream = Annotated[
    Annotated[TaskId, Tag(TEXT)] | Annotated[UpstreamRef, Tag(OBJECT)],
    _one_of("a task's id, or an object of task and run"),
]
"""A task of one's own run, or of another."""

LEAVE_IT_OUT = "leave it out of its upstream tasks, or name another run"
"""What to do with a task that waits for itself."""

Command = Annotated[
    Annotated[str, Field(min_length=1), Tag(TEXT)] | Annotated[tuple[str, ...], Field(min_length=1), Tag(LIST)],
    _one_of("a string, or a list of strings"),
]
"""One string for `sh -c`, or an argument list."""


class TaskBase(Model):
    """What all kinds of task have in common."""

    id: TaskId = Field(description="Unique name; the part before the first dot is its pipeline, if it has one.")
    payload: JsonValue = Field(None, description="Handed to the code; at most 256 KiB as JSON.")
    priority: int = Field(5, ge=0, le=9, description="9 is the most critical.")
    pool: Name = Field("default", description="The group of workers that may run it.")
    queue: Name = Field("default", description="A named line in the pool.")
    upstream: tuple[AnyUpstream, ...] = Field((), max_length=1000)
    trigger: Trigger = Trigger.ALL_SUCCESS
    retries: AnyRetries = Field(Retries(), description="A number is their limit.")
    timeout: Seconds | None = Field(None, description="For one attempt.")
    execution_timeout: Seconds | None = Field(None, description="For the whole execution, from when it is due.")
    max_latency: Seconds | None = Field(None, description="Longest acceptable wait from being able to run to running.")
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    notify: tuple[AnyNotifyRule, ...] = Field((), max_length=20, description="An address is told of failure and loss.")
    owner: Name = "anyone"
    description: str = Field("", max_length=2000)

    @field_validator("upstream")
    @classmethod
    def _of_others(cls, upstream: tuple[AnyUpstream, ...], info: ValidationInfo) -> tuple[AnyUpstream, ...]:
        if (own := info.data.get("id")) in upstream:
            raise ValueError(f"task {own!r} waits for itself: {LEAVE_IT_OUT}")
        return upstream


class FunctionTask(TaskBase):
    """A Python function that a pipeline file registers with `@task`; runs in a warm process."""

    kind: Literal["function"] = "function"
    function: str = Field(pattern=TASK_ID, description="The registered name.")


class PythonTask(TaskBase):
    """A snippet; sees `payload` and `inputs`, and returns what it assigns to `result`. Runs in the sandbox."""

    kind: Literal["python"] = "python"
    code: str = Field(min_length=1, max_length=PAYLOAD_LIMIT)


class ShellTask(TaskBase):
    """A command: an argument list, or one string for `sh -c`. Runs in the sandbox; the payload is on standard input."""

    kind: Literal["shell"] = "shell"
    command: Command
    env: dict[str, str] = Field(default_factory=dict)


class SqlTask(TaskBase):
    """A statement for ClickHouse; read-only unless `writes` says otherwise. Returns its rows (a list of objects)."""

    kind: Literal["sql"] = "sql"
    sql: str = Field(min_length=1, max_length=PAYLOAD_LIMIT)
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="For {name:Type} places.")
    writes: bool = False


class HttpTask(TaskBase):
    """A request. Succeeds when the status is one of `expect`; returns status, headers and body."""

    kind: Literal["http"] = "http"
    url: str = Field(pattern=URL, max_length=8000)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = Field(None, description="A string as it is, anything else as JSON; none: the payload, if any.")
    expect: tuple[int, ...] = Field((), description="Accepted statuses; none: any of 200-299.")


class ExternalTask(TaskBase):
    """Someone else does the work and finishes it by a `finish` event; it starts as soon as it may."""

    kind: Literal["external"] = "external"


class SleepTask(TaskBase):
    """Takes the stated time and no worker."""

    kind: Literal["sleep"] = "sleep"
    seconds: Seconds


AnyTask = FunctionTask | PythonTask | ShellTask | SqlTask | HttpTask | ExternalTask | SleepTask
Task = Annotated[AnyTask, Field(discriminator="kind")]
KindName = Literal["function", "python", "shell", "sql", "http", "external", "sleep"]

UNATTENDED = frozenset({"external", "sleep"})
"""Kinds that the scheduler runs by itself, without a worker."""


class PipelineModel(Model):
    """Tasks and their order. Every task's id starts with the pipeline's id and a dot."""

    id: Name
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=1000)
    description: str = Field("", max_length=2000)

    @model_validator(mode="after")
    def _is_a_graph(self) -> Self:
        check_pipeline(self.id, self.tasks)
        return self


def check_pipeline(pipeline: str, tasks: tuple[AnyTask, ...]) -> None:
    """Raise ValueError where a task does not belong to the pipeline, comes twice, or the order has a cycle."""
    seen: set[str] = set()
    for task in tasks:
        if not task.id.startswith(f"{pipeline}."):
            raise ValueError(f"task {task.id!r} of pipeline {pipeline!r} must be named {pipeline + '.' + task.id!r}")
        if task.id in seen:
            raise ValueError(f"task {task.id!r} stands twice in pipeline {pipeline!r}")
        seen.add(task.id)
    local = {t.id: {u for u in t.upstream if isinstance(u, str)} for t in tasks}
    for task_id, upstream in local.items():
        if missing := sorted(u for u in upstream if u.startswith(f"{pipeline}.") and u not in seen):
            raise ValueError(f"task {task_id!r} waits for {missing[0]!r}, which pipeline {pipeline!r} does not have")
    try:
        graphlib.TopologicalSorter(local).prepare()
    except graphlib.CycleError as error:
        raise ValueError(f"tasks wait for each other: {' -> '.join(reversed(error.args[1]))}") from None
