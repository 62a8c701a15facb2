"""The events that anyone may produce to `headrace.submit`: plain JSON, one event a message."""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter, model_validator

from pipelines.model import Model, PipelineModel, RunId, Task, TaskId

EXECUTION = r"^[0-9a-fA-F-]{32,36}$"
SHORTEST = 8
"""Last characters of its id by which an execution may be named, at least."""

EXECUTION_NAME = re.compile(rf"[0-9a-f-]{{{SHORTEST},36}}")
"""An execution's id or its end, in lower case."""

ExecutionText = Annotated[str, Field(pattern=EXECUTION, description="An execution's UUID.")]


class _TaskOrPipeline(Model):
    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        named = [n for n in ("task", "pipeline") if getattr(self, n) is not None]
        if len(named) != 1:
            raise ValueError("name exactly one of: task, pipeline")
        return self


class CreateEvent(_TaskOrPipeline):
    """Create a task, or a pipeline with all its tasks; a task that exists is replaced for later executions."""

    type: Literal["create"] = "create"
    task: Task | None = None
    pipeline: PipelineModel | None = None


class _When(Model):
    run: RunId | None = Field(None, description="Executions of one run see each other as upstream tasks.")
    at: AwareDatetime | None = Field(None, description="Not before this time; none: now.")


class ExecuteEvent(_TaskOrPipeline, _When):
    """Execute a task or every task of a pipeline that was created before."""

    type: Literal["execute"] = "execute"
    task: TaskId | None = None
    pipeline: TaskId | None = None
    payload: JsonValue = Field(None, description="Instead of the task's own payload.")
    priority: int | None = Field(None, ge=0, le=9)


class SubmitEvent(_When):
    """Create and execute in one. The same task in the same run is executed once, however often it is submitted."""

    type: Literal["submit"] = "submit"
    task: Task


class _OneExecution(Model):
    execution: ExecutionText | None = None
    task: TaskId | None = None
    run: RunId | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.execution is None) == (self.task is None):
            raise ValueError("name the execution, or the task and its run")
        return self


class CancelEvent(_OneExecution):
    """Stop an execution, waiting or running."""

    type: Literal["cancel"] = "cancel"
    reason: str = Field("", max_length=1000)


class RetryEvent(_OneExecution):
    """Execute again what has ended, under a new id that names the old one."""

    type: Literal["retry"] = "retry"


class FinishEvent(_OneExecution):
    """Say how an `external` execution ended."""

    type: Literal["finish"] = "finish"
    outcome: Literal["succeeded", "failed"] = "succeeded"
    result: JsonValue = None
    error: str = Field("", max_length=10_000)
    attempt: int | None = Field(None, ge=1, description="Which attempt ended so; none: the one that runs.")


class DeleteEvent(Model):
    """Delete a task: it takes no further executions. Those already submitted run to their end."""

    type: Literal["delete"] = "delete"
    task: TaskId


AnyEvent = CreateEvent | ExecuteEvent | SubmitEvent | CancelEvent | RetryEvent | FinishEvent | DeleteEvent
PublicEvent = Annotated[AnyEvent, Field(discriminator="type")]
PUBLIC_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(PublicEvent)


LAST_MS = 253_402_300_799_000
"""The last second that has a date, in UTC; west of Greenwich people can name a few hours more."""


def to_ms(moment: datetime | None) -> int:
    """An aware time as epoch milliseconds, at most LAST_MS; none is 0."""
    return 0 if moment is None else min(round(moment.timestamp() * 1000), LAST_MS)
