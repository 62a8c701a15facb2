"""A worker that keeps the protocol and its lease; a script says when it does something, and how its code ends."""

from collections.abc import Callable

from simulated.node import Logs
from streams.engine import commands as c
from streams.engine.records import Job
from streams.envelope import lane_messages, pack, worker_messages
from streams.settings import Settings
from streams.stages.incoming import Send
from streams.topics import Topics

Key = tuple[bytes, int]


class Worker:
    """One incarnation. `witness` is called with each job whose code starts, as an outsider would see it."""

    def __init__(self, name: str, pool: str, slots: int, witness: Callable[["Worker", Job], None]) -> None:
        self.name, self.pool, self.slots = name, pool, slots
        self._witness = witness
        self._lane: int | None = None
        self._beat_at = 0
        self._told, self._heard = 0, 0
        self._known: set[Key] = set()
        self._seen: set[int] = set()
        self.held: dict[Key, Job] = {}
        self.running: dict[Key, int] = {}
        self.limit = -1
        self.dismissed = self.draining = False

    def beat(self, logs: Logs, settings: Settings) -> None:
        """Say that it lives, and how much it accepts."""
        self.read(logs, settings)
        if self.dismissed:
            return
        limit = -1 if self._lane is None else len(self._seen) + max(0, self.slots - len(self.held))
        self.limit = max(self.limit, limit)
        self._beat_at = logs.now
        beat = c.Beat(
            self.name,
            self.pool,
            self.slots,
            limit,
            len(self.held),
            len(self.running),
            self.draining,
            capacity=self.slots,
        )
        _send(logs, Topics.under(settings.namespace).ready, 0, beat)

    def read(self, logs: Logs, settings: Settings) -> None:
        """Take what has arrived."""
        topics = Topics.under(settings.namespace)
        news = logs.messages[topics.workers, 0]
        while self._told < len(news):
            for message in worker_messages(news[self._told].value):
                self._obey(message)
            self._told += 1
        if self._lane is None:
            return
        lane = logs.messages[topics.dispatch, self._lane]
        while self._heard < len(lane):
            for order in lane_messages(lane[self._heard].value):
                self._take(order)
            self._heard += 1

    def holds(self, logs: Logs, settings: Settings) -> bool:
        """Whether it may still start something."""
        return not self.dismissed and logs.now <= self._beat_at + settings.lease * 1000

    def start(self, logs: Logs, job: Job) -> None:
        """Run the code of a job."""
        self.running[job.execution, job.attempt] = logs.now
        self._witness(self, job)

    @property
    def seen(self) -> int:
        """How many assignments have come; they count from 1."""
        return len(self._seen - {0})

    def knows(self, execution: bytes, attempt: int) -> bool:
        """Whether this attempt has ever reached it."""
        return (execution, attempt) in self._known

    def tell_started(self, job: Job) -> c.Started:
        """What it says of a job that takes long."""
        return c.Started(job.execution, job.attempt, self.name, self.running[job.execution, job.attempt])

    def finish(self, logs: Logs, job: Job, outcome: str) -> c.Finished:
        """End a job; the result it reports is a JSON number."""
        key = job.execution, job.attempt
        started = self.running.pop(key, logs.now)
        del self.held[key]
        value = b"%d" % job.attempt if outcome == "succeeded" else b""
        error = "" if outcome == "succeeded" else f"it ended as {outcome}"
        return c.Finished(*key, self.name, outcome, started, logs.now, value, error)

    def _obey(self, message: c.WorkerMessage) -> None:
        if message.worker != self.name:
            return
        match message:
            case c.Grant():
                self._lane = message.lane
            case c.Dismiss():
                self.dismissed = True
                self.held.clear()
                self.running.clear()

    def _take(self, order: c.LaneMessage) -> None:
        match order:
            case c.Run(job) if job.worker == self.name:
                self._seen.add(job.seq)
                key = job.execution, job.attempt
                if key not in self._known and not self.dismissed:
                    self._known.add(key)
                    self.held[key] = job
            case c.Void(worker=self.name):
                self._seen.update(order.numbers)
            case c.Stop(worker=self.name):
                self._known.add((order.id, order.attempt))
                self.held.pop((order.id, order.attempt), None)
                self.running.pop((order.id, order.attempt), None)


def _send(logs: Logs, topic: str, partition: int, *items: object) -> None:
    logs.send([Send(topic, partition, value) for value in pack(items)])
