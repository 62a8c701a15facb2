"""The watchdog, in a process of its own, since it ends the process."""

import subprocess
import sys

HUNG = """
import asyncio, time
from aiokafka import TopicPartition
from streams.state.watchdog import Watchdog

async def lag():
    return {TopicPartition("in", 0): (7, %d)}

async def main():
    task = asyncio.create_task(Watchdog(lag, stuck_after=0.4, check_every=0.1).run())
    await asyncio.sleep(0.3)
    %s
    task.cancel()

asyncio.run(main())
"""


def run(end: int, body: str) -> "subprocess.CompletedProcess[str]":
    """A process whose input ends at `end`, applied up to 7."""
    return subprocess.run([sys.executable, "-c", HUNG % (end, body)], capture_output=True, text=True, check=False)


def test_a_loop_that_does_not_turn_ends_the_process() -> None:
    """The last line of code on the stack is in the message."""
    ended = run(7, "time.sleep(20)")
    assert ended.returncode == 1
    assert "the event loop did not turn" in ended.stderr
    assert "line" in ended.stderr


def test_an_input_that_stands_still_ends_the_process() -> None:
    """It names the input, where it stands and how far it goes."""
    ended = run(9, "await asyncio.sleep(20)")
    assert ended.returncode == 1
    assert "in-0 stands at offset 7" in ended.stderr
    assert "though it goes on to 9" in ended.stderr


def test_an_idle_process_is_left_alone() -> None:
    """Nothing to do is not stuck."""
    assert run(7, "await asyncio.sleep(1.5)").returncode == 0
