"""The connection by which a snippet answers, on the worker's own event loop."""

import asyncio
import os
from threading import Event, Thread

import uvloop

from streams.worker.kinds.python import _answers


def test_no_descriptor_of_another_thread_is_closed_with_it() -> None:
    """A number that is closed twice may be somebody else's the second time: files break, and answers never come."""
    over, broken = Event(), list[OSError]()

    def work_with_files() -> None:
        while not over.is_set():
            try:
                descriptor = os.open("/proc/self/stat", os.O_RDONLY)
                os.read(descriptor, 100)
                os.close(descriptor)
            except OSError as error:
                broken.append(error)

    async def answer_often() -> None:
        async with asyncio.timeout(30):
            for _ in range(1_000):
                async with _answers(100) as (pipe, answer):
                    os.write(pipe.fileno(), b"7")
                    pipe.close()
                    assert await answer == b"7"

    threads = [Thread(target=work_with_files) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(answer_often())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert broken == []
