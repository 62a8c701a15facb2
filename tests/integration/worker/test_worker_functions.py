"""Functions of pipeline files, in warm processes of a real worker."""

import json
from typing import Any

SOURCE = """
import asyncio, logging, multiprocessing, os, signal, subprocess, threading, time
from pathlib import Path

@task
def double(payload): return payload * 2

@task
async def later(payload):
    await asyncio.sleep(0.01)
    return payload

@task(upstream=["p.load"])
def total(load, inputs, context): return [sum(load), inputs["load"], context.task, context.attempt]

@task
def bad(): raise ValueError("no good")

@task
def stop(): raise SystemExit(4)

@task
def skipped(): raise Skip("nothing to do")

@task
def odd(): return {1, 2} and object()

@task
def large(payload): return "x" * payload

@task
def die(): os.kill(os.getpid(), signal.SIGKILL)

@task
def leave(): os._exit(3)

@task
def crash():
    import ctypes
    ctypes.string_at(0)

@task
def nap(payload): time.sleep(payload)

@task
def touch(payload):
    with open(payload, "a") as file: file.write("x")

@task
def talk():
    print("one", flush=True)
    logging.getLogger("any").warning("two")
    subprocess.run(["echo", "three"])
    print("four", end="")

@task
def count(payload):
    for n in range(payload):
        print("line", n)
        time.sleep(0.1)

@task
def flood():
    for n in range(100_000): print("x" * 50)

def shout(n):
    for k in range(50): print(f"{n}.{k}")
    logging.getLogger("any").info("logged")
    return n

@task
def spread():
    with multiprocessing.get_context("fork").Pool(4) as pool: return sum(pool.map(shout, range(8), chunksize=1))

@task
def forks():
    print("begun", end="")
    if child := os.fork(): os.waitpid(child, 0)
    else: print(" in the fork", end="", flush=True)
    return bool(child)

@task
def lingers(): threading.Thread(target=time.sleep, args=(600,)).start()

@task
def orphan():
    subprocess.Popen(["sleep", "1234"])
    os._exit(1)
"""


async def test_functions_return_values_skip_and_fail(make_desk: Any) -> None:
    """Each way in which a function can end is told as what it is."""
    async with make_desk() as desk:
        desk.write(SOURCE)
        await desk.start()
        assert (await desk.result(desk.function("double", 21))).result == b"42"
        assert (await desk.result(desk.function("later", {"a": None}))).result == b'{"a":null}'
        inputs = {"p.load": [1, 2]}
        result = (await desk.result(desk.function("total", inputs=inputs, attempt=4, number=3))).result
        assert json.loads(result) == [3, [1, 2], "total", 3]
        await desk.result(desk.function("headrace.noop"))

        failed = desk.function("bad")
        ended = await desk.result(failed)
        assert (ended.outcome, ended.error) == ("failed", "ValueError: no good")
        await desk.until(lambda: "ValueError: no good" in desk.text(failed, "stderr"))
        assert "worker" not in "".join(desk.text(failed))

        ended = await desk.result(desk.function("skipped"))
        assert (ended.outcome, ended.error) == ("skipped", "nothing to do")
        ended = await desk.result(desk.function("nowhere"))
        assert ended.outcome == "refused"
        assert "'nowhere'" in ended.error
        assert "double" in ended.error
        assert "restart it if the file came later" in ended.error
        assert (await desk.result(desk.function("stop"))).error == "SystemExit: 4"
        assert "not JSON" in (await desk.result(desk.function("odd"))).error
        assert len((await desk.result(desk.function("large", 65_534))).result) == 65_536
        ended = await desk.result(desk.function("large", 65_535))
        assert (ended.outcome, ended.result) == ("failed", b"")
        assert "65,537 bytes" in ended.error


async def test_a_process_that_dies_fails_only_what_ran_in_it(make_desk: Any) -> None:
    """After kill -9, an early exit and a crash are reasons; what waited behind them runs in another process."""
    async with make_desk(slots=1, lookahead=1.0) as desk:
        desk.write(SOURCE)
        await desk.start()
        for _ in range(20):
            await desk.result(desk.function("double", 1))
        ends = {"die": "SIGKILL", "leave": "exit status 3", "crash": "SIGSEGV"}
        for name, reason in ends.items():
            doomed = desk.function(name, priority=9)
            behind = [desk.function("double", n) for n in range(30)]
            await desk.run(doomed, *behind)
            ended = await desk.end_of(doomed)
            assert ended.outcome == "failed"
            assert reason in ended.error
            for n, job in enumerate(behind):
                assert (await desk.end_of(job)).result == str(2 * n).encode()
        assert len([f for f in desk.finished if f.outcome == "failed"]) == 3
        assert len({(f.id, f.attempt) for f in desk.finished}) == len(desk.finished)


async def test_a_timeout_kills_and_a_stop_leaves_no_result(make_desk: Any) -> None:
    """The first is reported, the second is not; both make room. What waits may have been handed back before."""
    async with make_desk(slots=2) as desk:
        desk.write(SOURCE)
        await desk.start()
        ended = await desk.result(desk.function("nap", 60, timeout=300))
        assert ended.outcome == "timeout"
        assert "0.3 s" in ended.error
        assert ended.finished_at - ended.started_at >= 300

        running = [desk.function("nap", 60), desk.function("nap", 60)]
        waiting = desk.function("double", 1)
        await desk.run(*running, waiting)
        await desk.until(lambda: {s.id for s in desk.started} >= {job.execution for job in running})
        await desk.halt(waiting)
        await desk.halt(running[0])
        assert (await desk.result(desk.function("double", 4))).result == b"8"
        await desk.halt(running[1])
        assert (await desk.result(desk.function("double", 5))).result == b"10"
        stopped = {job.execution for job in (*running, waiting)}
        assert not [f for f in desk.finished if f.id in stopped and f.outcome != "returned"]


async def test_short_attempts_are_not_reported_as_started(make_desk: Any) -> None:
    """Only those that take longer than a moment are."""
    async with make_desk() as desk:
        desk.write(SOURCE)
        await desk.start()
        short, long = desk.function("double", 1), desk.function("nap", 0.5)
        await desk.run(short, long)
        ended = await desk.end_of(long)
        await desk.end_of(short)
        assert [s.id for s in desk.started] == [long.execution]
        assert abs(desk.started[0].at - ended.started_at) < 100


async def test_output_is_captured_whatever_door_it_takes(make_desk: Any) -> None:
    """print, logging, programs that the function starts, and a last line without an end."""
    async with make_desk() as desk:
        desk.write(SOURCE)
        await desk.start()
        job = desk.function("talk")
        await desk.result(job)
        await desk.until(lambda: len(desk.lines[job.execution]) == 4)
        found = {(line.text, line.stream, line.level) for line in desk.lines[job.execution]}
        streams = {("one", "stdout", ""), ("three", "stdout", ""), ("four", "stdout", ""), ("two", "log", "WARNING")}
        assert found == streams
        assert sorted(line.seq for line in desk.lines[job.execution]) == [1, 2, 3, 4]


async def test_output_streams_while_the_function_runs_and_is_cut_at_its_limit(make_desk: Any) -> None:
    """The first line is there before the end; a flood keeps its beginning and says that it was cut."""
    async with make_desk(output_limit=10_000) as desk:
        desk.write(SOURCE)
        await desk.start()
        job = desk.function("count", 8)
        await desk.run(job)
        await desk.until(lambda: desk.text(job))
        assert not [f for f in desk.finished if f.id == job.execution]
        assert not (await desk.end_of(job)).cut

        flood = desk.function("flood")
        assert (await desk.result(flood)).cut
        await desk.until(lambda: "cut here" in "".join(desk.text(flood)[-1:]))
        assert 9_000 < sum(len(text) + 1 for text in desk.text(flood)) < 10_200


async def test_nothing_of_a_function_outlives_its_process(make_desk: Any) -> None:
    """A program that it left behind is killed with it."""
    async with make_desk() as desk:
        desk.write(SOURCE)
        process = await desk.start()
        assert (await desk.result(desk.function("orphan"))).outcome == "failed"
        await desk.until(lambda: not desk.below(process, "sleep"))


async def test_an_await_of_a_function_that_is_cancelled_inside_fails_alone(make_desk: Any) -> None:
    """The loop of the process goes on."""
    async with make_desk(slots=1) as desk:
        desk.write(SOURCE + "\n@task\nasync def cancelled(): raise asyncio.CancelledError\n")
        await desk.start()
        assert (await desk.result(desk.function("cancelled"))).outcome == "failed"
        assert (await desk.result(desk.function("later", 1))).result == b"1"


async def test_a_function_may_fork(make_desk: Any) -> None:
    """Each line of all its processes arrives, and one answer of each job, whatever the forks do."""
    async with make_desk(slots=1) as desk:
        desk.write(SOURCE)
        await desk.start()
        expected = sorted([f"{n}.{k}" for n in range(8) for k in range(50)] + ["logged"] * 8)
        for _ in range(10):
            job = desk.function("spread")
            assert (await desk.result(job)).result == b"28"
            await desk.until(lambda job=job: len(desk.text(job)) == len(expected))
            assert sorted(desk.text(job)) == expected
        job = desk.function("forks")
        assert (await desk.result(job)).result == b"true"
        await desk.until(lambda: len(desk.text(job)) == 2)
        assert sorted(desk.text(job)) == [" in the fork", "begun"]
        assert (await desk.result(desk.function("double", 4))).result == b"8"
        assert len({f.id for f in desk.finished}) == len(desk.finished)


async def test_a_thread_that_a_function_left_behind_keeps_no_slot(make_desk: Any) -> None:
    """Its process is replaced here after each job, as one that grows is, and does not end by itself."""
    async with make_desk(slots=1, memory_limit_mb=1) as desk:
        desk.write(SOURCE)
        await desk.start()
        for _ in range(3):
            assert (await desk.result(desk.function("lingers"))).outcome == "succeeded"
