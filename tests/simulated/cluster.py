"""A cluster of one or two partitions of SCHEDULE and one of DISPATCH, with workers, over logs in memory."""

from collections.abc import Iterator
from itertools import count

from pipelines.ids import home_of, home_of_task, to_text
from simulated.history import History
from simulated.node import Logs, Node, content, stage
from simulated.worker import Worker
from streams.engine import commands as c
from streams.engine.dispatch import Dispatcher
from streams.engine.events import Moved
from streams.engine.line import priority_of
from streams.engine.records import TERMINAL, Execution, Job, State
from streams.envelope import pack, recorded_events, task_commands
from streams.settings import Settings
from streams.stages.derived import derive
from streams.stages.dispatch import Dispatch
from streams.stages.incoming import Incoming, Send
from streams.stages.schedule import Schedule
from streams.stages.task_table import TaskTable
from streams.state.memory import MemoryPartition
from streams.topics import Topics
from tests.history.order import strict_loans
from tests.history.read import step_of

POOLS = ("default", "gpu")
DERIVED = (b"D", b"W", b"E", b"F", b"q")


class Cluster:
    """Everything of it moves only when it is told to."""

    def __init__(self, homes: int, keep_finished: float = 3600.0) -> None:
        self.count = homes
        self.settings = Settings(
            task_partitions=homes, ready_partitions=1, event_partitions=1, lanes=6, lease=5, keep_finished=keep_finished
        )
        self.topics = Topics.under(self.settings.namespace)
        self.logs = Logs()
        self.homes = [
            Node(self.logs, stage("schedule", self.topics.tasks, lambda p: Schedule(p, self.settings)), number)
            for number in range(homes)
        ]
        self.ready = Node(self.logs, stage("dispatch", self.topics.ready, lambda p: Dispatch(p, self.settings)), 0)
        self.history = History(self.logs, self.topics.events)
        self.workers: list[Worker] = []
        self._hired: dict[str, Worker] = {}
        self._names = count()

    # --- what people do ---------------------------------------------------------------------------------------

    def command(self, command: c.TaskCommand, home: int) -> None:
        """Write a command to its home."""
        self.logs.send([Send(self.topics.tasks, home, value) for value in pack([command])])

    def about(self, command: c.Execute | c.Cancel | c.Retry | c.Finish | c.Started | c.Finished) -> None:
        """Write a command about an execution."""
        self.command(command, home_of(command.id, self.count))

    def about_task(self, command: c.CreateTask | c.CreatePipeline | c.ExecutePipeline, name: str) -> None:
        """Write a command about a task or a pipeline."""
        self.command(command, home_of_task(name, self.count))

    def repeat(self, home: int, offset: int) -> None:
        """Let a message arrive once more, late."""
        log = self.logs.messages[self.topics.tasks, home]
        log.append(Incoming(len(log), self.logs.now, log[offset].value))

    # --- what workers do --------------------------------------------------------------------------------------

    def join(self, pool: str, slots: int) -> Worker:
        """A new worker asks for a lane."""
        worker = Worker(f"w{next(self._names)}", pool, slots, lambda _, job: self.history.started(job, self.logs.now))
        self.workers.append(worker)
        self._hired[worker.name] = worker
        worker.beat(self.logs, self.settings)
        return worker

    def beat(self) -> None:
        """Every worker says that it lives."""
        for worker in self.workers:
            worker.beat(self.logs, self.settings)

    def act(self, worker: Worker, job: Job, outcome: str) -> None:
        """Let a worker do something with a job: start it, say so, end it somehow, or hand it back."""
        key = job.execution, job.attempt
        if outcome != "returned" and key not in worker.running and worker.holds(self.logs, self.settings):
            worker.start(self.logs, job)
        running = key in worker.running
        if outcome == "started" and running:
            self.about(worker.tell_started(job))
        elif outcome not in {"running", "started"} and running == (outcome != "returned"):
            self.about(worker.finish(self.logs, job, outcome))

    # --- how it moves -----------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Let everything that is on its way arrive."""
        while any([self.step_ready(), *(home.batch() for home in self.homes)]):
            pass
        for worker in self.workers:
            worker.read(self.logs, self.settings)
        self.history.read()

    def check_deliveries(self) -> None:
        """Once all has arrived, a worker knows what is said to be dispatched to it."""
        present = {worker.name: worker for worker in self.workers if not worker.dismissed}
        for worker in present.values():
            self._check_credits(worker)
        for record in self.open():
            if record.state == State.DISPATCHED and record.worker in present:
                assert present[record.worker].knows(record.id, record.attempt), "no job is lost on its way"

    def _check_credits(self, worker: Worker) -> None:
        """Whatever was assigned to it has come, to nothing or not, or is lent and not given away yet."""
        loan = TaskTable(self.homes[0].warm).loan(worker.name)
        known = self._dispatcher().workers.get(worker.name)
        if known and self.count == 1:
            assert known.assigned == worker.seen + (loan.left if loan else 0), "no credit is lost"

    def check_stale(self, command: c.Assign | c.Started | c.Finished) -> None:
        """I9: a command of an attempt that does not count changes nothing."""
        self.pump()
        before = self.record(command.id)
        self.command(command, home_of(command.id, self.count))
        self.homes[home_of(command.id, self.count)].batch()
        assert self.record(command.id) == before, "I9: a stale attempt changes nothing"

    def step_ready(self) -> bool:
        """DISPATCH takes one message, so that what it proposes can be held against what still waits."""
        sent = {home: len(self._tasks(home)) for home in range(self.count)}
        moved = self.ready.batch(1)
        self._check_order([m for home, start in sent.items() for m in self._assigned(home, start)])
        return moved

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass in one leap, and the timers ring."""
        self.logs.now += milliseconds
        for node in (*self.homes, self.ready):
            node.ring()

    def live(self, milliseconds: int) -> None:
        """Let time pass while everything works."""
        until = self.logs.now + milliseconds
        while self.logs.now < until:
            self.beat()
            self.pump()
            self.pass_time(min(2_000, until - self.logs.now))
            self.pump()

    # --- what there is ----------------------------------------------------------------------------------------

    def records(self) -> Iterator[Execution]:
        """Every execution in the tables."""
        for home in self.homes:
            table = TaskTable(home.warm)
            for key, _ in home.warm.scan(b"x", b"y", 100_000):
                if record := table.execution(key[1:]):
                    yield record

    def record(self, execution: bytes) -> Execution | None:
        """An execution in the tables."""
        return TaskTable(self.homes[home_of(execution, self.count)].warm).execution(execution)

    def open(self) -> list[Execution]:
        """What has not ended."""
        return [record for record in self.records() if record.state not in TERMINAL]

    def check_replays(self) -> None:
        """I6: each table equals the replay of its input, and its derived keys that of its changelog."""
        for node in (*self.homes, self.ready):
            assert content(node.replay(3)) == content(node.warm)
        for home in self.homes:
            replayed = {k: v for k, v in replay(home.warm, alone=self.count == 1).items() if k[:1] in DERIVED}
            assert replayed == {k: v for k, v in content(home.warm) if k[:1] in DERIVED}

    def check_loans(self) -> None:
        """I5: what is given away of a loan is given while nobody more critical waits, and nothing is given twice."""
        assigned = [m for home in range(self.count) for m in self._assigned(home, 0)]
        log = [message.value for message in self.logs.messages[self.topics.events, 0]]
        moves = [event for value in log for event in recorded_events(value) if isinstance(event, Moved)]
        for pool in POOLS:
            those = [move for move in moves if move.execution.pool == pool]
            priorities = {to_text(move.execution.id): move.execution.priority for move in those}
            assert not list(strict_loans([step_of(move) for move in those], assigned, priorities))

    def _dispatcher(self) -> Dispatcher:
        logic = self.ready.logic
        assert isinstance(logic, Dispatch)
        return logic._dispatcher

    def _tasks(self, home: int) -> list[Incoming]:
        return self.logs.messages[self.topics.tasks, home]

    def _assigned(self, home: int, start: int) -> Iterator[c.Assign | c.Lend]:
        for message in self._tasks(home)[start:]:
            yield from (k for k in task_commands(message.value) if isinstance(k, c.Assign | c.Lend))

    def _check_order(self, assigned: list[c.Assign | c.Lend]) -> None:
        """I5: who was given away is at least as critical as everyone who still waits in the pool; and credits hold."""
        dispatcher = self._dispatcher()
        for proposal in assigned:
            record = self.record(proposal.id) if isinstance(proposal, c.Assign) else None
            worker = dispatcher.workers[proposal.worker]
            assert worker.assigned <= self._hired[proposal.worker].limit, "no credit is passed"
            if record:
                waiting = [priority_of(key) for key, _ in self.ready.warm.scan(*_line(worker.pool), 100_000)]
                assert record.priority >= max(waiting, default=0), "I5: strict priority over the whole pool"
        for worker in dispatcher.workers.values():
            if worker.free > 0:
                assert not self.ready.warm.scan(*_line(worker.pool), 1), "nobody waits while a worker has room"
        if self.count == 1:
            table = TaskTable(self.homes[0].warm)
            for pool in POOLS:
                assert not (table.lender(pool) and table.first(pool)), "nobody waits while something is lent"


def _line(pool: str) -> tuple[bytes, bytes]:
    return b"q" + pool.encode() + b"\0", b"q" + pool.encode() + b"\1"


def replay(partition: MemoryPartition, *, alone: bool) -> dict[bytes, bytes]:
    """What a standby has after the changelog: its records, and what `derive` says follows from them."""
    values: dict[bytes, bytes] = {}
    follow = derive(alone=alone)
    for changes, _ in partition.log:
        for key, value in changes:
            for changed, new in (*follow(key, values.get(key), value), (key, value)):
                if new is None:
                    values.pop(changed, None)
                else:
                    values[changed] = new
    return values
