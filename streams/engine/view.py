"""What the engine may read, and what `apply` may write. The stage's table and the tests' twin both fit."""

from typing import NamedTuple, Protocol

from streams.engine.records import Execution, Loan, Mark, TaskDef

Watchers = tuple[tuple[bytes, bytes], ...]
"""Pairs of a waiting execution and the id by which it knows the one it waits for."""


class Over(NamedTuple):
    """What has been kept for long enough."""

    executions: list[bytes]
    """Ids of those that have ended, and are to be forgotten."""
    keys: tuple[bytes, ...]
    """Of marks and bans; the table's own."""


class View(Protocol):
    """Reads; they see every event applied so far."""

    def execution(self, execution: bytes) -> Execution | None:
        """The record, or none: unknown or forgotten."""

    def mark(self, execution: bytes) -> Mark | None:
        """How an execution ended that was forgotten, or none."""

    def task(self, task: str) -> TaskDef | None:
        """The definition in force."""

    def pipeline(self, pipeline: str) -> tuple[str, ...] | None:
        """The ids of a pipeline's tasks."""

    def banned(self, worker: str) -> bool:
        """Whether the worker's lease has run out here."""

    def loan(self, worker: str) -> Loan | None:
        """What of a worker's assignments is lent, or was last; none: nothing ever, or the worker is gone."""

    def lender(self, pool: str) -> Loan | None:
        """Of the workers in a pool the one of whom most is lent; none: nothing is left."""

    def first(self, pool: str) -> bytes | None:
        """Who is first in a pool's line: the most critical of all that wait here, then as it is due and as it came."""

    def next_in_line(self, pool: str, which: bytes) -> Execution:
        """The record of who is first in a pool's line, which will leave it, as will some of those behind."""

    def held_by(self, worker: str) -> list[bytes]:
        """The executions that a worker has, in the order of their ids."""

    def watched(self, execution: bytes) -> bool:
        """Whether somebody wants to know when it ends."""

    def watchers(self, execution: bytes, after: bytes, limit: int) -> Watchers:
        """Who wants to know when it ends, in the order of their ids, from behind `after` on (empty: from the first)."""

    def over(self, until: int, remember: int, limit: int) -> Over:
        """What has been kept for long enough at `until`, and marks that were kept for `remember` (milliseconds).

        Executions, marks and bans, so many of each at the most, earliest first.
        """

    def body(self, execution: bytes) -> tuple[bytes, bytes]:
        """Call and payload of an execution, as JSON."""

    def result(self, execution: bytes) -> bytes:
        """The JSON value of an execution that succeeded here; empty: none."""

    @property
    def written(self) -> int:
        """Bytes of all changes so far, whenever they are saved; rather too many than too few."""

    def kept_result(self, execution: bytes, upstream: bytes) -> bytes:
        """The JSON value of an upstream that lives elsewhere; empty: none."""


class Table(View, Protocol):
    """Writes; only `apply` calls them."""

    def put_execution(self, old: Execution | None, new: Execution) -> None:
        """Store a record; the secondary orders follow from old and new."""

    def forget(self, execution: bytes, *, mark: bool) -> None:
        """Remove the record of one that is `over` and all that belongs to it; a mark stays of it, or nothing."""

    def sweep(self, keys: tuple[bytes, ...]) -> None:
        """Remove marks and bans."""

    def put_body(self, execution: bytes, call: bytes, payload: bytes) -> None:
        """Store what the worker will get."""

    def put_result(self, execution: bytes, result: bytes) -> None:
        """Store a value for later downstream tasks."""

    def keep_result(self, execution: bytes, upstream: bytes, result: bytes) -> None:
        """Store the value of an upstream that lives elsewhere."""

    def watch(self, execution: bytes, watcher: bytes, known_as: bytes) -> None:
        """Store one who wants to know."""

    def unwatch(self, execution: bytes, watcher: bytes) -> None:
        """Remove one who wants to know no longer."""

    def put_task(self, task: TaskDef) -> None:
        """Store a definition."""

    def delete_task(self, task: str) -> None:
        """Remove a definition."""

    def put_pipeline(self, pipeline: str, tasks: tuple[str, ...]) -> None:
        """Store a pipeline."""

    def put_loan(self, loan: Loan) -> None:
        """Store what is lent of a worker."""

    def ban(self, worker: str, until: int) -> None:
        """Remember a worker whose lease ran out; nothing is lent of it any more."""
