"""The warm processes alone: how jobs are spread, taken back, fenced, and what a crash leaves."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.attempts import Attempts
from streams.worker.lease import Lease
from streams.worker.pace import Pace
from streams.worker.processes import MOST, PATIENCE, Ended, Processes
from streams.worker.runner import Runner

SOURCE = """
from pipelines.dsl import task
import os, time

@task
def tick(payload): return payload

@task
def nap(payload): time.sleep(payload)

@task
def note(payload):
    with open(payload[0], "a") as file: file.write(payload[1])

@task
def leak(payload): globals()["kept"] = bytearray(payload << 20)

@task
def die(): os._exit(9)

@task
def pid(): return os.getpid()
"""


class Floor:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.ends: dict[bytes, Ended] = {}
        self.back: list[Job] = []
        self.starts: list[Job] = []
        self.line = 0

    def ended(self, ended: Ended) -> None:
        """An attempt has ended."""
        assert ended.job.execution not in self.ends
        self.ends[ended.job.execution] = ended

    def started(self, job: Job, at: int) -> None:
        """An attempt runs longer than a moment."""
        assert abs(at / 1000 - time.time()) < 60
        self.starts.append(job)

    def again(self, jobs: list[Job]) -> None:
        """Some were not started."""
        self.back += jobs

    def pump(self) -> None:
        """There may be room."""

    def waiting(self) -> int:
        """How many wait."""
        return self.line

    def put(self, line: Any) -> None:
        """Output is of no interest here."""

    def finished(self, ended: Ended) -> None:
        """What a runner reports."""
        self.ended(ended)

    def wake(self) -> None:
        """There may be credits."""


class House:
    """Processes and who they work for."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        folder.joinpath("tasks.py").write_text(SOURCE)
        self.floor = Floor()
        values = {"slots": 2, "pipelines_dir": folder, **settings}
        self.settings = Settings(**values)
        self.processes = Processes(self.settings, self.floor)
        self.processes.set_fence(time.monotonic() + 3600)
        self.processes.serve(self.floor)
        self.count = 0

    def job(self, name: str, payload: Any = None, priority: int = 5) -> Job:
        """A job for a function."""
        self.count += 1
        call = msgspec.json.encode({"function": name})
        fields = (name, "r", "function", priority, 0, 0, call, msgspec.json.encode(payload))
        return Job(uuid.uuid4().bytes, 1, self.count, "w", *fields)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110  (a test)
                await asyncio.sleep(0.005)

    async def place(self, *jobs: Job, expected: float | None = None, wake: bool = True) -> None:
        """Place jobs, as soon as there is room."""
        for job in jobs:
            await self.until(lambda job=job: self.processes.place(job, expected, wake=wake))
        self.processes.send()

    async def end(self, job: Job) -> Ended:
        """Wait for a job's end."""
        await self.until(lambda: job.execution in self.floor.ends)
        return self.floor.ends[job.execution]

    async def result(self, name: str, payload: Any = None) -> bytes:
        """Run one job."""
        job = self.job(name, payload)
        await self.place(job)
        return (await self.end(job)).outcome.result


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Callable[..., House]]:
    """Builds houses; all are closed, with nobody left inside."""
    houses: list[House] = []

    def one(**settings: Any) -> House:
        houses.append(House(tmp_path, **settings))
        return houses[-1]

    yield one
    for house in houses:
        await house.processes.close()
        assert not house.processes._all


async def test_tiny_jobs_go_together_and_long_ones_apart(build: Callable[..., House]) -> None:
    """A process with little work gets more of it, an idle one the rest; jobs of unknown length are never stacked."""
    house = build()
    pid = await house.result("pid")
    tiny = [house.job("pid") for _ in range(20)]
    await house.place(*tiny, expected=0.00001)
    assert house.processes.busy() == 1
    assert {(await house.end(job)).outcome.result for job in tiny} == {pid}
    await house.place(house.job("nap", 0.2))
    assert not house.processes.place(house.job("tick"), None, wake=False)
    assert not house.processes.place(house.job("tick"), 0.003, wake=False)


def runner_of(house: House, pace: Pace) -> Runner:
    """A runner over the house's processes, which reports to its floor."""
    runner = Runner(house.settings, pace, Lease(3600, time.monotonic()))
    runner.equip(house.processes, Attempts({}, runner, house.floor, 1000), house.floor)
    house.processes.serve(runner)
    return runner


async def test_tasks_that_run_once_are_known_by_their_function(build: Callable[..., House]) -> None:
    """The first one goes alone, since nobody knows how long it takes; then they go together."""
    house = build(slots=8)
    await house.result("tick")
    pace = Pace(8, 0.02)
    runner = runner_of(house, pace)
    jobs = [msgspec.structs.replace(house.job("tick", n), task=f"once-{n}") for n in range(21)]
    pace.ran(jobs[0].call, 0.00001)
    for job in jobs:
        runner.take(job)
    runner.pump()
    await house.until(lambda: (runner.held() and not runner.waiting()) or len(house.floor.ends) > 1)
    assert runner.running() <= 1
    for n, job in enumerate(jobs):
        assert (await house.end(job)).outcome.result == str(n).encode()


async def test_what_came_in_the_belief_of_short_tasks_is_handed_back(build: Callable[..., House]) -> None:
    """After a burst of no-ops tasks that take long would wait in this worker while others are idle."""
    house = build(slots=2)
    await house.result("tick")
    pace = Pace(2, 0.02)
    runner = runner_of(house, pace)
    pace.ran(house.job("tick").call, 0.00001)
    assert runner.capacity() > 1_000
    jobs = [house.job("nap", 600) for _ in range(8)]
    for job in jobs:
        runner.take(job)
    runner.shed()
    assert runner.held() == 8
    runner.pump()
    await house.until(lambda: runner.running() == runner.capacity() == 2)
    runner.shed()
    assert runner.held() == 2
    assert [house.floor.ends[job.execution].outcome.outcome for job in jobs[2:]] == ["returned"] * 6


async def test_short_jobs_wait_a_while_before_another_process_starts(build: Callable[..., House]) -> None:
    """A start costs more than thousands of them; but one that is needed for long comes."""
    house = build()
    await house.result("tick")
    house.floor.line = 1
    await house.place(house.job("nap", 1.0), expected=MOST)
    since = time.monotonic()
    await house.until(
        lambda: house.processes.place(house.job("tick"), MOST, wake=True) or len(house.processes._all) > 1
    )
    assert len(house.processes._all) == 2
    assert time.monotonic() - since >= PATIENCE


async def test_a_long_job_does_not_inherit_the_patience_of_a_short_one(build: Callable[..., House]) -> None:
    """Behind a short one that finds no room it brings the next start forward, and the next short one not back."""
    house = build()
    await house.result("tick")
    await house.place(house.job("nap", 0.5), expected=MOST)
    starts = []
    for expected in (MOST, None, MOST):
        assert not house.processes.place(house.job("tick"), expected, wake=True)
        starts.append(house.processes._starved_at)
    assert starts[0] > starts[1] == starts[2]


async def test_more_processes_start_only_when_work_waits(build: Callable[..., House]) -> None:
    """One at first; another when jobs find none free for longer than a moment; never more than the slots."""
    house = build(slots=3)
    await house.result("tick")
    assert len(house.processes._all) == 1
    house.floor.line = 5
    await house.place(*(house.job("nap", 0.5) for _ in range(3)))
    assert len(house.processes._all) == 3
    assert house.processes.busy() == 3
    for _ in range(10):
        assert not house.processes.place(house.job("tick"), None, wake=True)
        await asyncio.sleep(0.02)
    assert len(house.processes._all) == 3


@pytest.mark.parametrize("given_out", [False, True])
async def test_only_who_is_idle_when_all_is_given_out_makes_others_needless(
    build: Callable[..., House], *, given_out: bool
) -> None:
    """A process between two jobs has none for a moment; one that is left over has none for want of them."""
    house = build()
    await house.result("tick")
    house.floor.line = 5
    await house.place(house.job("nap", 0.05), expected=0.0015)
    assert not house.processes.place(house.job("tick"), 0.0015, wake=True)
    await house.until(lambda: not house.processes.busy())
    if given_out:
        house.processes.send()
        await asyncio.sleep(2 * PATIENCE)
        assert len(house.processes._all) == 1
    else:
        await house.until(lambda: len(house.processes._all) == 2)


@pytest.mark.parametrize("seconds", [0.001, 0.01])
async def test_a_line_that_does_not_end_has_all_slots_at_work(build: Callable[..., House], seconds: float) -> None:
    """Jobs that end before another process would be started leave others waiting all the same."""
    house = build(slots=3)
    await house.result("tick")
    runner = runner_of(house, Pace(3, 0.02))

    def all_at_work() -> bool:
        for _ in range(100 - runner.waiting()):
            runner.take(house.job("nap", seconds))
        runner.pump()
        return house.processes.busy() == 3

    await house.until(all_at_work)
    runner.kill(None)


async def test_a_critical_job_overtakes_inside_a_process(build: Callable[..., House], tmp_path: Path) -> None:
    """What a process holds is ordered there too, also what arrives while it works."""
    house = build()
    await house.result("tick")
    path = str(tmp_path / "order")
    jobs = [house.job("nap", 0.005), *(house.job("note", [path, "."]) for _ in range(5))]
    await house.place(*jobs, expected=0.0)
    await house.place(critical := house.job("note", [path, "!"], priority=9), expected=0.0)
    for job in (*jobs, critical):
        await house.end(job)
    assert Path(path).read_text() == "!....."  # noqa: ASYNC240  (a few bytes)


async def test_jobs_behind_a_long_one_are_given_back(build: Callable[..., House]) -> None:
    """They were expected to be short; none of them starts there any more, and the long one goes on."""
    house = build()
    await house.result("tick")
    long, *behind = [house.job("nap", 1.0), *(house.job("tick", n) for n in range(5))]
    await house.place(long, *behind, expected=0.0)
    await house.until(lambda: len(house.floor.back) == 5)
    assert {job.execution for job in house.floor.back} == {job.execution for job in behind}
    assert (await house.end(long)).outcome.outcome == "succeeded"
    assert [job.execution for job in house.floor.starts] == [long.execution]
    assert house.processes.held() == 0
    await house.result("tick")
    assert len(house.floor.ends) == 3


async def test_a_crash_loses_no_result_and_starts_nothing_twice(build: Callable[..., House]) -> None:
    """What had ended before has its result, the one that ran has failed, the rest was not started."""
    house = build()
    await house.result("tick")
    before, die = [house.job("tick", n, priority=9) for n in range(10)], house.job("die")
    after = [house.job("tick", n, priority=1) for n in range(10)]
    await house.place(*after, die, *before, expected=0.0)
    await house.until(lambda: len(house.floor.back) == 10)
    assert {job.execution for job in house.floor.back} == {job.execution for job in after}
    for n, job in enumerate(before):
        assert (await house.end(job)).outcome.result == str(n).encode()
    assert (await house.end(die)).outcome.error == "the task ended its process with exit status 9"
    await house.result("tick")


async def test_nothing_starts_after_the_lease(build: Callable[..., House]) -> None:
    """A process that has work waits until the lease is renewed, or the work is taken back."""
    house = build()
    await house.result("tick")
    house.processes.set_fence(time.monotonic() - 1)
    await house.place(*(house.job("tick") for _ in range(3)), expected=0.0)
    await asyncio.sleep(0.1)
    assert len(house.floor.ends) == 1
    assert len(house.processes.recall()) == 3
    house.processes.set_fence(time.monotonic() + 60)
    await house.result("tick")
    assert len(house.floor.ends) == 2


async def test_a_process_that_holds_too_much_memory_is_replaced(build: Callable[..., House]) -> None:
    """After its job; the next one runs in a fresh process."""
    house = build(memory_limit_mb=150)
    first = await house.result("pid")
    assert await house.result("leak", 200) == b""
    await house.place(house.job("nap", 0.3))
    await house.until(lambda: not house.processes.busy())
    await house.until(lambda: all(p.pid != int(first) for p in house.processes._all))
    assert await house.result("pid") != first


async def test_pipeline_files_that_end_the_process_make_functions_fail(
    build: Callable[..., House], tmp_path: Path
) -> None:
    """After a few tries the reason is given, instead of waiting for ever."""
    house = build()
    await house.result("tick")
    (tmp_path / "worse.py").write_text("import os; os._exit(1)")
    await house.place(house.job("die"))
    house.floor.line = 1
    job = house.job("tick")
    await house.until(lambda: house.processes.place(job, None, wake=True) or house.processes.hopeless())
    assert "died while it loaded" in house.processes.hopeless()
    (tmp_path / "worse.py").unlink()


async def test_a_process_that_survives_its_end_is_not_waited_for_without_limit(
    build: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals that do nothing stand for a process that hangs in the kernel."""
    house = build()
    await house.place(house.job("nap", 600))
    await house.until(lambda: house.floor.starts)
    with monkeypatch.context() as kernel:
        kernel.setattr(os, "killpg", lambda *_: None)
        await house.processes.close()
    assert [process.killed for process in house.processes._all] == [True]
