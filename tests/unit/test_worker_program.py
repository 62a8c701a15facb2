"""Foreign programs, and what they leave behind."""

import asyncio
import subprocess

import uvloop

from streams.worker.program import _feed


def test_a_program_that_ended_before_its_input_came_is_no_failure() -> None:
    """The worker may be busy in between: the pipe is closed by then, which is no fault of the program's."""

    async def late() -> None:
        process = await asyncio.create_subprocess_exec("true", stdin=subprocess.PIPE)
        await process.wait()
        while process.stdin and not process.stdin.is_closing():  # noqa: ASYNC110  (a pipe has no event for it)
            await asyncio.sleep(0)
        await _feed(process.stdin, b"too late")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(late(), 30))
