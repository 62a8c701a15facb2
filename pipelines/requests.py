"""What people ask over HTTP, beyond the public events: filters, bulk actions, queries."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from pipelines.model import KindName, Model, RunId
from pipelines.views import StateName

BULK_LIMIT = 10_000
"""Executions that one bulk action changes at most."""

LETTERS = 1000
"""Dead letters that the API has at hand."""

TOO_MANY = (
    f"more than {BULK_LIMIT:,} match, and one bulk action changes at most so many; nothing was changed: "
    "narrow the filter"
)

Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2300, 1, 1, tzinfo=UTC))]
"""A time of which the history can be asked."""

AnyOf = Field((), max_length=50, description="Any of these.")


class ExecutionFilter(Model):
    """Which executions; all that is named must hold. `since` and `until` look at the last change of state."""

    text: str | None = Field(None, max_length=200, description="Part of the task's id, the run or the execution's id.")
    state: tuple[StateName, ...] = AnyOf
    priority: tuple[Annotated[int, Field(ge=0, le=9)], ...] = AnyOf
    kind: tuple[KindName, ...] = AnyOf
    pool: tuple[str, ...] = AnyOf
    queue: tuple[str, ...] = AnyOf
    task: str | None = Field(None, max_length=200)
    pipeline: str | None = Field(None, max_length=64)
    run: str | None = Field(None, max_length=200)
    owner: str | None = Field(None, max_length=64)
    worker: str | None = Field(None, max_length=100)
    late: bool | None = None
    since: Moment | None = None
    until: Moment | None = None

    def among(self, states: Collection[StateName]) -> Self | None:
        """Those of them that are in one of `states`; none: there can be none."""
        left = tuple(sorted(set(states).intersection(self.state or states)))
        return self.model_copy(update={"state": left}) if left else None


Order = Literal["newest", "oldest", "changed", "priority", "waited"]


class ExecutionQuery(ExecutionFilter):
    """A page of the executions that match."""

    order: Order = "newest"
    limit: int = Field(50, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=500, description="`next` of the page before.")


class BulkRequest(Model):
    """Executions by their ids, or all that match a filter. More than `expected` matches change nothing."""

    ids: tuple[str, ...] | None = Field(None, min_length=1, max_length=BULK_LIMIT)
    filter: ExecutionFilter | None = None
    expected: int | None = Field(None, ge=0, description="How many the person has seen and confirmed.")
    reason: str = Field("", max_length=1000, description="Of a cancellation.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("name exactly one of: ids, filter")
        if self.filter is not None and self.expected is None:
            raise ValueError("with a filter, say how many are expected to match")
        return self


class CancelRequest(Model):
    """Why an execution is stopped."""

    reason: str = Field("", max_length=1000)


class FinishRequest(Model):
    """How an `external` execution ended."""

    outcome: Literal["succeeded", "failed"] = "succeeded"
    result: JsonValue = None
    error: str = Field("", max_length=10_000)
    attempt: int | None = Field(None, ge=1, description="Which attempt ended so; none: the one that runs.")


class RunRequest(Model):
    """A run of a pipeline."""

    run: RunId | None = Field(None, description="None: a new name.")
    at: AwareDatetime | None = Field(None, description="Not before this time; none: now.")
    payload: JsonValue = Field(None, description="Instead of the tasks' own payloads.")
    priority: int | None = Field(None, ge=0, le=9)


class QueryRequest(Model):
    """A statement for ClickHouse; read-only unless it says that it writes."""

    query: str = Field(min_length=1, max_length=100_000)
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="For {name:Type} places.")
    writes: bool = False
