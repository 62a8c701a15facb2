"""What an outsider sees of a cluster, and the promises that it checks on the way (their numbers: I2, I4, I7, I9)."""

from collections import defaultdict

from simulated.node import Logs
from streams.engine.events import Moved
from streams.engine.records import TERMINAL, Execution, Job
from streams.envelope import recorded_events
from tests.history.rules import may_run

Transition = tuple[str, str, str]
"""(state before, step, state after); before it exists an execution is in no state: an empty name."""


class History:
    """Reads the events topic as RECORD would, and hears of every start from the workers themselves."""

    def __init__(self, logs: Logs, topic: str) -> None:
        self._logs, self._topic = logs, topic
        self._read = 0
        self.last: dict[bytes, Moved] = {}
        self._seen: dict[tuple[bytes, int], Moved] = {}
        self._ends: defaultdict[bytes, set[str]] = defaultdict(set)
        self._starts: defaultdict[bytes, list[int]] = defaultdict(list)
        self.transitions: set[Transition] = set()
        self.notified: set[tuple[bytes, str]] = set()

    def read(self) -> None:
        """Take the new events and check them."""
        log = self._logs.messages[self._topic, 0]
        while self._read < len(log):
            for event in recorded_events(log[self._read].value):
                if isinstance(event, Moved):
                    self._moved(event)
            self._read += 1

    def started(self, job: Job, at: int) -> None:
        """Some worker runs the code of this attempt now."""
        starts = self._starts[job.execution]
        assert job.attempt not in starts, "an attempt is started once"
        starts.append(job.attempt)
        record = self.last[job.execution].execution
        assert len(starts) == 1 or not record.at_most_once, "I2: at most one start"
        assert record.due_at <= at, "nothing starts before it is due"
        self._check_trigger(record)

    def _moved(self, event: Moved) -> None:
        record = event.execution
        if repeated := self._seen.get((record.id, record.version)):
            assert repeated == event, "a repeated event is the same event"
            return
        self._seen[record.id, record.version] = event
        before = self.last.get(record.id)
        self._check_step(before.execution if before else None, event)
        self.last[record.id] = event

    def _check_step(self, before: Execution | None, event: Moved) -> None:
        record = event.execution
        self.transitions.add((before.state if before else "", event.what, record.state))
        if before:
            assert before.state not in TERMINAL, "I9: a terminal state is never left, and I7: it is entered once"
            assert before.version < record.version, "versions grow"
            assert before.attempt <= record.attempt, "attempts grow"
        else:
            assert event.what == "created", "the first event of an execution is its creation"
        if record.state in TERMINAL:
            self._ends[record.id].add(record.state)
            earlier = record.retry_of
            while earlier:  # the end of a retry by hand counts for all that it retries
                self._ends[earlier].add(record.state)
                earlier = self.last[earlier].execution.retry_of
        if record.state in {"waiting", "dispatched", "running"}:
            assert record.due_at <= self._logs.now, "nothing may run before it is due"
            self._check_trigger(record)

    def _check_trigger(self, record: Execution) -> None:
        """I4, by what is known of the upstream executions themselves; the value of a retried one counts for both."""
        outcomes = [outcome for _, _, outcome in record.upstream]
        assert may_run(record.trigger, outcomes), "I4: nothing starts before its trigger rule holds"
        for upstream, _, outcome in record.upstream:
            assert not outcome or outcome in self._ends[upstream], "I4: an upstream ended as it is said to have ended"
