"""A worker's runner with jobs that come again, and what it remembers of them."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.attempts import Attempts
from streams.worker.kinds.base import Attempt
from streams.worker.lease import Lease
from streams.worker.line import Once
from streams.worker.outcomes import Outcome
from streams.worker.output import LogSender
from streams.worker.pace import Pace
from streams.worker.processes import Ended, Processes
from streams.worker.runner import Runner


class Code:
    """A kind of task: the payload says whether it ends."""

    def __init__(self) -> None:
        self.started: list[int] = []

    async def run(self, attempt: Attempt) -> Outcome:
        """Start, and end at once or never."""
        self.started.append(attempt.job.seq)
        if attempt.payload == "runs on":
            await asyncio.Event().wait()
        return Outcome("succeeded")

    async def close(self) -> None:
        """Nothing is shared."""


class Floor:
    """A runner with two slots that remembers two ended attempts; what it reports is kept."""

    def __init__(self) -> None:
        settings = Settings(slots=2)
        lines = LogSender(None, settings)  # type: ignore[arg-type]  # nothing here prints
        self.code = Code()
        self.ends: list[tuple[int, str]] = []
        self.runner = Runner(settings, Pace(2, settings.lookahead), Lease(3600, time.monotonic()))
        attempts = Attempts({"python": self.code}, self.runner, lines, 1000)
        self.runner.equip(Processes(settings, lines), attempts, self)

    def finished(self, ended: Ended) -> None:
        """See Reports."""
        self.ends.append((ended.job.seq, ended.outcome.outcome))

    def started(self, job: Job, at: int) -> None:
        """See Reports."""

    def wake(self) -> None:
        """See Reports."""

    async def take(self, *jobs: Job) -> None:
        """Let jobs come, and see what can start started."""
        for job in jobs:
            self.runner.take(job)
        self.runner.pump()
        for _ in range(10):
            await asyncio.sleep(0)

    def known(self) -> int:
        """How many attempts it believes to have."""
        return len(self.runner._once._held)


@pytest.fixture
async def floor(monkeypatch: pytest.MonkeyPatch) -> Floor:
    """A worker that has just begun."""
    monkeypatch.setattr("streams.worker.runner.Once", partial(Once, 2, 0.0))
    return Floor()


def job(seq: int, payload: bytes = b"", kind: str = "python") -> Job:
    """One attempt of an execution of its own."""
    return Job(seq.to_bytes(16, "big"), 1, seq, "w", "t", "r", kind, 5, 0, 0, b"{}", payload)


async def test_i2_an_attempt_that_still_runs_does_not_start_again_however_many_have_ended(floor: Floor) -> None:
    """Each takeover repeats what the table has on a worker, a job of hours among thousands of short ones too."""
    runs = job(1, b'"runs on"')
    await floor.take(runs)
    for seq in range(2, 50):
        await floor.take(job(seq))
    await floor.take(runs)
    assert floor.code.started == list(range(1, 50))
    assert floor.runner.held() == 1


async def test_what_is_stopped_while_a_process_gives_it_back_does_not_start(floor: Floor) -> None:
    """The process has not begun it, and says so in the moment of the stop."""
    first, second = job(1), job(2)
    for one in (first, second):
        floor.runner._once.first((one.execution, one.attempt))  # as if a process had them
    floor.runner.stop((first.execution, first.attempt))
    floor.runner.again([first, second])
    await floor.take()
    assert floor.code.started == [2]


def ends(floor: Floor) -> None:
    """It succeeds."""
    assert floor.ends == [(1, "succeeded")]


def is_stopped(floor: Floor) -> None:
    """It is cancelled, or its execution went on elsewhere."""
    floor.runner.stop((job(1).execution, 1))


def is_handed_back(floor: Floor) -> None:
    """The worker drains."""
    floor.runner.drain()


def is_killed(floor: Floor) -> None:
    """The worker drains and has no more patience."""
    floor.runner.kill(Outcome("lost"))


@pytest.mark.parametrize(
    ("payload", "way"),
    [
        (b"", ends),
        (b'"runs on"', is_stopped),
        (b'"waits"', is_stopped),
        (b'"waits"', is_handed_back),
        (b'"runs on"', is_killed),
    ],
    ids=lambda value: value.__name__ if callable(value) else value.decode(),
)
async def test_whichever_way_an_attempt_leaves_only_its_end_is_remembered(
    floor: Floor, payload: bytes, way: Callable[[Floor], None]
) -> None:
    """What a worker has is never forgotten, so each way out must be told."""
    if payload == b'"waits"':
        floor.runner.lease = Lease(-1, 0)  # nothing starts
    await floor.take(job(1, payload))
    way(floor)
    await floor.take()
    assert (floor.known(), floor.runner.held()) == (0, 0)
    await floor.take(job(1, payload))
    assert len(floor.code.started) <= 1


async def test_busy_slots_are_no_reason_to_hold_nothing_ahead_until_they_stall(floor: Floor) -> None:
    """Tasks of 20 ms end every 10 ms; when nothing has ended for long, what waits would wait for long."""
    floor.runner._pace.ran(b"", 0.02)
    await floor.take(job(1, b'"runs on"'), job(2, b'"runs on"'))
    floor.runner._ended_at = time.monotonic()
    assert (floor.runner.running(), floor.runner.capacity()) == (2, 4)
    floor.runner._ended_at -= 1.0
    assert floor.runner.capacity() == 2


async def test_what_comes_while_draining_goes_back_and_is_not_kept(floor: Floor) -> None:
    """Nothing of it stays in memory but its end."""
    floor.runner.drain()
    await floor.take(job(1), job(2))
    assert floor.ends == [(1, "returned"), (2, "returned")]
    assert floor.known() == 0


async def test_a_function_that_no_process_can_run_is_not_kept(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails with the reason why there is no process."""
    processes = floor.runner._processes
    monkeypatch.setattr(processes, "_spawn", lambda: None)
    monkeypatch.setattr(processes, "_failed_starts", 3)
    monkeypatch.setattr(processes, "_spawned_at", time.monotonic())
    await floor.take(job(1, kind="function"))
    assert floor.ends == [(1, "failed")]
    assert floor.known() == 0
