"""How much CPU scheduling takes: `python benchmarks/schedule_rate.py [executions] [executions a batch]`.

SCHEDULE and DISPATCH as they run in a scheduler, over RocksDB and with changelog batches as they are sent, but without
Kafka: what one sends the other reads at once. A worker that ends everything at once stands on the other side. Each
execution is a no-op with a payload of 1 KB. Prints microseconds of CPU an execution, by stage and step.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder

from pipelines.ids import execution_id, home_of
from streams.collector import settle
from streams.engine.commands import Beat, Credit, Execute, Finished, ReadyCommand, Run, Void
from streams.engine.records import TaskDef
from streams.envelope import lane_messages, pack
from streams.settings import Settings
from streams.stages.dispatch import Dispatch
from streams.stages.incoming import Incoming, Send
from streams.stages.loop import Loop, Stage
from streams.stages.schedule import Schedule
from streams.state.partition import Changes, check_commit
from streams.state.store import MARKER, Position, Store
from streams.topics import MESSAGE_LIMIT, Topics

WORKER = "w-00000000"
CREDITS = 400
SPENT: Counter[str] = Counter()


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Count the CPU time of this thread as that of a step."""
    begun = time.thread_time()
    yield
    SPENT[step] += time.thread_time() - begun


def timing(owner: Any, name: str, step: str) -> None:
    """Have a method of one object counted as a step."""
    method = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        with timed(step):
            return method(*args, **kwargs)

    setattr(owner, name, counted)


class LocalPartition:
    """A table partition as a stage sees it, whose changelog batches are made and then thrown away."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number, self.marker, self._end = number, -1, 0
        self.store = Store(folder)
        self.get, self.get_many, self.scan = self.store.get, self.store.get_many, self.store.scan

    async def commit(self, changes: Changes, marker: int) -> None:
        """See `Partition.commit`."""
        check_commit(self.marker, changes, marker)
        mark = (MARKER, b"%d" % marker)
        batch = BatchBuilder(MESSAGE_LIMIT, 0)
        for key, value in [*changes.records, mark]:
            batch.append(key=key, value=value, timestamp=1)
        batch._build()  # noqa: SLF001  (what the producer does with it)
        self._end += len(changes.records) + 1
        self.store.write([*changes.records, *changes.derived, mark], Position(self._end, 1, 1), changes.fresh)
        self.marker = marker


class Bench:
    """Logs in memory, a loop for each partition, and the worker."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.topics = Topics.under(self.settings.namespace)
        self.logs: defaultdict[tuple[str, int], list[Incoming]] = defaultdict(list)
        self.read: Counter[tuple[str, int]] = Counter()
        self.sizes: Counter[str] = Counter()
        self.loops: dict[tuple[str, int], Loop] = {}
        self.done, self.voided, self.limit = 0, 0, CREDITS
        for number in range(self.settings.task_partitions):
            self._open("schedule", self.topics.tasks, number, lambda p: Schedule(p, self.settings))
        self._open("dispatch", self.topics.ready, 0, lambda p: Dispatch(p, self.settings))

    def _open(self, name: str, topic: str, number: int, logic: Callable[[Any], Any]) -> None:
        partition = LocalPartition(number, self.settings.home / f"{name}-{number}")
        loop = Loop(Stage(name, topic, "dead", logic), partition, self._send)
        for method in ("handle", "outputs", "changes", "saved"):
            timing(loop._logic, method, f"{name}: {method}")  # noqa: SLF001
        timing(partition.store, "write", f"{name}: store")
        self.loops[topic, number] = loop

    async def _send(self, sends: list[Send]) -> None:
        for one in sends:
            log = self.logs[one.topic, one.partition]
            log.append(Incoming(len(log), round(time.time() * 1000), one.value or b""))
            self.sizes[one.topic] += len(one.value or b"")

    def submit(self, commands: list[tuple[int, Execute]]) -> None:
        """What a client sends."""
        homes = defaultdict(list)
        for home, command in commands:
            homes[home].append(command)
        for home, together in homes.items():
            finish(self._send([Send(self.topics.tasks, home, value) for value in pack(together)]))

    def say(self, *words: ReadyCommand) -> None:
        """What the worker tells its dispatcher."""
        finish(self._send([Send(self.topics.ready, 0, value) for value in pack(words)]))

    def turn(self) -> None:
        """Everybody takes what has come."""
        for where, loop in self.loops.items():
            new = self.logs[where][self.read[where] :]
            self.read[where] += len(new)
            if new:
                loop.put(new, lambda: None)
                while loop._queue:  # noqa: SLF001
                    with timed(f"{loop._stage.name}: all"):  # noqa: SLF001
                        finish(loop._batch())  # noqa: SLF001
                        if loop._must_save():  # noqa: SLF001
                            finish(loop._save())  # noqa: SLF001
        self.work()

    def work(self) -> None:
        """The worker ends all that it got."""
        ended: defaultdict[int, list[Finished]] = defaultdict(list)
        for lane in range(self.settings.lanes):
            where = self.topics.dispatch, lane
            new = self.logs[where][self.read[where] :]
            self.read[where] += len(new)
            for message in new:
                for run in lane_messages(message.value):
                    if isinstance(run, Run):
                        job, now = run.job, message.at
                        home = home_of(job.execution, self.settings.task_partitions)
                        ended[home].append(Finished(job.execution, job.attempt, WORKER, "succeeded", now, now, b"null"))
                    elif isinstance(run, Void):
                        self.voided += len(run.numbers)
        for home, results in ended.items():
            self.done += len(results)
            finish(self._send([Send(self.topics.tasks, home, value) for value in pack(results)]))
        if (limit := self.done + self.voided + CREDITS) > self.limit:
            self.limit = limit
            self.say(Credit(WORKER, "default", limit))


def finish(work: Coroutine[Any, Any, Any]) -> None:
    """Run what never waits, as nothing here does."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("something waited")


def main(executions: int, a_batch: int) -> None:
    """Schedule, dispatch and end them, and print what it took."""
    payload = b'"' + os.urandom(499).hex().encode() + b'"'
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.say(Beat(WORKER, "default", 8, -1, 0, 0), Credit(WORKER, "default", CREDITS))
        now = round(time.time() * 1000)
        work = []
        for number in range(executions):
            task = TaskDef(
                f"bench-{number}", "function", b'{"function":"headrace.noop"}', payload, priority=number % 10
            )
            which = execution_id(task.id, "run")
            home = home_of(which, bench.settings.task_partitions)
            work.append((home, Execute(which, task.id, "run", now, task_def=task)))
        settle()
        begun = time.process_time()
        SPENT.clear()
        for start in range(0, executions, a_batch):
            bench.submit(work[start : start + a_batch])
            bench.turn()
        while bench.done < executions:
            bench.turn()
        bench.turn()
        used = time.process_time() - begun
    figures = {
        "executions": executions,
        "process": round(used / executions * 1e6, 1),
        **{step: round(seconds / executions * 1e6, 1) for step, seconds in sorted(SPENT.items())},
        "bytes": {topic: round(size / executions) for topic, size in bench.sizes.items()},
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    main(*given, *(50_000, 1_000)[len(given) :])
