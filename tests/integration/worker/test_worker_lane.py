"""What a real worker does with its lane: order, repetitions, credits, drain, dismissal."""

import signal
from typing import Any

from streams.engine import commands as c

SOURCE = """
import time
from pathlib import Path

@task
def note(payload):
    with open("order", "a") as file: file.write(f"{payload}\\n")

@task
def nap(payload): time.sleep(payload)

@task
def wait_for(payload):
    while not Path(payload).exists(): time.sleep(0.01)
    with open("order", "a") as file: file.write("started\\n")
"""


def order(desk: Any) -> list[str]:
    """What the tasks themselves have written."""
    return (desk.folder / "order").read_text().split()


async def test_i5_the_most_critical_starts_first_of_what_the_worker_holds(make_desk: Any) -> None:
    """Whatever came first; then the deadline, then the order of arrival."""
    async with make_desk(slots=1) as desk:
        desk.write(SOURCE)
        await desk.start()
        await desk.result(desk.function("note", "warm"))
        blocker = desk.function("wait_for", "go")
        await desk.run(blocker)
        await desk.until(lambda: desk.started)
        places = [(1, 0, "a"), (5, 20, "b"), (5, 10, "c"), (9, 99, "d"), (5, 10, "e")]
        jobs = [desk.function("note", name, priority=p, deadline=at) for p, at, name in places]
        await desk.run(*jobs)
        (desk.folder / "go").touch()
        for job in (blocker, *jobs):
            await desk.end_of(job)
        assert order(desk) == ["warm", "started", "d", "c", "e", "b", "a"]


async def test_a_repeated_job_runs_once_and_others_jobs_never(make_desk: Any) -> None:
    """The same attempt twice, a stopped one that comes late, and one of another incarnation."""
    async with make_desk() as desk:
        desk.write(SOURCE)
        await desk.start()
        job, stopped = desk.function("note", "once"), desk.function("note", "never")
        await desk.halt(stopped)
        await desk.run(job, job, stopped)
        await desk.run(job)
        foreign = desk.function("note", "foreign", worker="somebody-else")
        await desk.run(foreign)
        await desk.send(c.Void(desk.worker, foreign.seq))
        await desk.result(desk.function("note", "last"))
        assert sorted(order(desk)) == ["last", "once"]
        await desk.until(lambda: desk.limit - desk.seq >= desk.settings.slots)


async def test_credits_are_the_capacity_again_after_everything(make_desk: Any) -> None:
    """Jobs, voids and repetitions count once each, and only what is held takes room."""
    async with make_desk(slots=3, lookahead=0.0) as desk:
        desk.write(SOURCE)
        await desk.start()
        assert desk.limit == 3
        voids = [desk.function("note", "void") for _ in range(3)]
        await desk.send(c.Void(desk.worker, voids[0].seq), c.Void(desk.worker, voids[0].seq, voids[2].seq))
        running = [desk.function("nap", 60), desk.function("nap", 60)]
        await desk.run(*running)
        await desk.until(lambda: desk.limit == 6)
        await desk.halt(running[0])
        await desk.until(lambda: desk.limit == 7)
        await desk.until(lambda: desk.beats[-1].held == desk.beats[-1].running == 1)
        assert desk.limit == 7


async def test_the_look_ahead_grows_with_short_tasks(make_desk: Any) -> None:
    """Tasks of a fraction of a millisecond: many more credits than slots; tasks that nap: none."""
    async with make_desk(slots=2, lookahead=0.05) as desk:
        desk.write(SOURCE)
        await desk.start()
        for _ in range(5):
            await desk.run(*(desk.function("headrace.noop") for _ in range(20)))
            await desk.until(lambda: len(desk.finished) == desk.seq)
        await desk.until(lambda: desk.limit - desk.seq > 20)
        for _ in range(30):
            await desk.run(*(desk.function("nap", 0.2) for _ in range(2)))
            await desk.until(lambda: len(desk.finished) == desk.seq)
            if desk.limit - desk.seq < 5:
                break
        assert desk.limit - desk.seq < 5


async def test_drain_hands_back_what_has_not_started_and_finishes_the_rest(make_desk: Any) -> None:
    """SIGTERM: the running one succeeds, the waiting ones are returned, the lane is given up, exit 0."""
    async with make_desk(slots=1) as desk:
        desk.write(SOURCE)
        process = await desk.start()
        running = desk.function("wait_for", "go")
        await desk.run(running)
        await desk.until(lambda: desk.started)
        waiting = [desk.function("note", n) for n in range(3)]
        await desk.run(*waiting)
        await desk.until(lambda: desk.beats[-1].held == 4)
        process.send_signal(signal.SIGTERM)
        for job in waiting:
            assert (await desk.end_of(job)).outcome == "returned"
        late = desk.function("note", "late")
        assert (await desk.result(late)).outcome == "returned"
        assert desk.beats[-1].draining
        (desk.folder / "go").touch()
        assert (await desk.end_of(running)).outcome == "succeeded"
        assert await desk.ended(process) == 0
        await desk.until(lambda: desk.goodbyes == [running.worker])
        assert order(desk) == ["started"]


async def test_a_drain_that_takes_too_long_or_is_hurried_kills(make_desk: Any) -> None:
    """After the drain_timeout, or at a second SIGTERM, what still runs is lost as with a dead worker, and says why."""
    for timeout, hurry in ((0.2, False), (60.0, True)):
        async with make_desk(slots=2, drain_timeout=timeout) as desk:
            desk.write(SOURCE)
            process = await desk.start()
            jobs = [desk.function("nap", 60), desk.job("shell", {"command": "sleep 60"})]
            await desk.run(*jobs)
            await desk.until(lambda: len(desk.started) == 2)
            process.send_signal(signal.SIGTERM)
            if hurry:
                await desk.until(lambda: desk.beats[-1].draining)
                process.send_signal(signal.SIGTERM)
            for job in jobs:
                ended = await desk.end_of(job)
                assert ended.outcome == "lost"
                assert "the worker was stopped" in ended.error
            assert await desk.ended(process) == 0


async def test_a_dismissed_worker_kills_what_it_has_and_starts_over(make_desk: Any) -> None:
    """It says nothing about what it had, and works under a new name on a new lane."""
    async with make_desk(slots=2) as desk:
        desk.write(SOURCE)
        process = await desk.start()
        lost = [desk.function("nap", 60), desk.job("shell", {"command": "sleep 4321"}), desk.function("note", "lost")]
        await desk.run(*lost)
        await desk.until(lambda: len(desk.started) == 2)
        first = desk.worker
        desk.limit = 0
        await desk.notice(c.Dismiss(first, "a test says so"))
        await desk.until(lambda: desk.worker != first and desk.limit > 0)
        assert (await desk.result(desk.function("note", "after"))).outcome == "succeeded"
        assert order(desk) == ["after"]
        assert not {f.id for f in desk.finished} & {job.execution for job in lost}
        await desk.until(lambda: not desk.below(process, "sleep"))
        assert await desk.stop(process) == 0


async def test_a_worker_that_is_killed_leaves_no_process_behind(make_desk: Any) -> None:
    """After kill -9: its warm processes and sandboxes die with it."""
    async with make_desk(slots=2) as desk:
        desk.write(SOURCE)
        process = await desk.start()
        await desk.run(desk.function("nap", 60), desk.job("shell", {"command": "sleep 4321"}))
        await desk.until(lambda: len(desk.started) == 2 and len(desk.below(process)) >= 3)
        family = desk.below(process)
        process.kill()
        await desk.until(lambda: not [p for p in family if p.is_running() and p.status() != "zombie"], 5)


async def test_a_worker_without_a_lane_waits_and_can_be_stopped(make_desk: Any) -> None:
    """It goes on asking; SIGTERM ends it at once."""
    async with make_desk(lease=1.0) as desk:
        desk.granting = False
        process = desk.launch()
        await desk.until(lambda: len(desk.beats) >= 3)
        assert all(beat.limit < 0 for beat in desk.beats)
        assert await desk.stop(process) == 0
