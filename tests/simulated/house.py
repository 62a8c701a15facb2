"""The engine over one partition in memory: commands in, events and rejections out."""

from typing import Any

from pipelines.ids import execution_id
from simulated.node import run
from streams.engine import commands as c
from streams.engine.decide import decide
from streams.engine.events import Event, Moved
from streams.engine.follow import Outbox, give_away, handle
from streams.engine.records import TERMINAL, Execution, State, TaskDef
from streams.engine.rejections import Rejection
from streams.engine.step import Partition
from streams.stages.task_table import TaskTable
from streams.state.memory import MemoryPartition


class House:
    """One partition of SCHEDULE. `now` is the log's time of the next command, in milliseconds."""

    def __init__(
        self, number: int = 0, count: int = 1, keep_finished: int = 60_000, remember_done: int = 600_000
    ) -> None:
        self.partition = Partition(number, count, keep_finished, remember_done)
        self.store = MemoryPartition(number)
        self.table = TaskTable(self.store)
        self.now = 1_000

    def do(self, command: c.TaskCommand) -> list[Event | Rejection]:
        """Decide on a command; what happened is applied."""
        return decide(self.table, self.partition, command, self.now)

    def hear(self, *commands: c.TaskCommand) -> Outbox:
        """What others hear of a message of these commands."""
        out = Outbox()
        for command in commands:
            handle(out, self.table, self.partition, command, self.now)
        give_away(out, self.table, self.partition, self.now)
        return out

    def restart(self) -> None:
        """Commit, and go on with nothing in memory."""
        run(self.store.commit(self.table.changes(), self.store.marker + 1))
        self.table = TaskTable(self.store)

    def submit(self, task: str = "t", run: str = "r", **fields: Any) -> bytes:
        """Create and execute a task with these fields; the execution's id."""
        due_at = fields.pop("due_at", 0)
        which = execution_id(task, run)
        definition = TaskDef(**{"id": task, "kind": "python", "call": b"{}", **fields})
        self.do(c.Execute(which, task, run, self.now, due_at, task_def=definition))
        return which

    def record(self, which: bytes) -> Execution:
        """The record, which must be there."""
        found = self.table.execution(which)
        assert found
        return found

    def state(self, which: bytes) -> str:
        """Where it stands."""
        return str(self.record(which).state)

    def assign(self, which: bytes, worker: str = "w", lane: int = 0) -> list[Event | Rejection]:
        """Give it to a worker."""
        return self.do(c.Assign(which, self.record(which).attempt + 1, worker, lane, 1))

    def finish(self, which: bytes, outcome: str = "succeeded", **fields: Any) -> list[Event | Rejection]:
        """The worker that has it says how it ended."""
        record = self.record(which)
        fields = {"started_at": self.now, "finished_at": self.now, **fields}
        return self.do(c.Finished(which, record.attempt, record.worker, outcome, **fields))

    def complete(self, which: bytes, outcome: str = "succeeded", **fields: Any) -> list[Event | Rejection]:
        """Its whole way on a worker."""
        self.assign(which)
        return self.finish(which, outcome, **fields)

    def wake(self, which: bytes, after: int = 0) -> list[Event | Rejection]:
        """Let its timer ring, at the right moment and `after` milliseconds more; what has ended is forgotten then."""
        record = self.record(which)
        self.now = max(self.now, record.wake_at + after)
        return self.do(c.Sweep(self.now) if record.state in TERMINAL else c.Wake(which, self.now, self.now))


def moves(out: list[Event | Rejection]) -> list[tuple[str, State]]:
    """The steps in what a command led to."""
    return [(e.what, State(e.execution.state)) for e in out if isinstance(e, Moved)]


def refusals(out: list[Event | Rejection]) -> list[str]:
    """The reasons in what a command led to."""
    return [e.reason for e in out if isinstance(e, Rejection)]
