"""taskiq over a Redis list (what a worker popped is gone with it) or a stream (acknowledged when its task has run)."""

import asyncio
import sys

from common import RESULTS, URL, main
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

list_broker = ListQueueBroker(URL).with_result_backend(RedisAsyncResultBackend(RESULTS))
stream_broker = RedisStreamBroker(URL).with_result_backend(RedisAsyncResultBackend(RESULTS))
TOGETHER = 100


async def noop(_payload: str) -> int:
    """Nothing."""
    return 1


TASKS = {
    "list": list_broker.register_task(noop, "noop"),
    "stream": stream_broker.register_task(noop, "noop"),
}


async def _submit(work: list[str], kind: str) -> None:
    task = TASKS[kind]
    await task.broker.startup()
    for start in range(0, len(work), TOGETHER):
        await asyncio.gather(*(task.kiq(payload) for payload in work[start : start + TOGETHER]))
    await task.broker.shutdown()


if __name__ == "__main__":
    main(lambda work: asyncio.run(_submit(work, sys.argv[2])))
