"""taskiq over a Redis stream: a message is acknowledged when its task has run."""

import asyncio

from common import RESULTS, URL, main
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = RedisStreamBroker(URL).with_result_backend(RedisAsyncResultBackend(RESULTS))
TOGETHER = 100


@broker.task
async def noop(_payload: str) -> int:
    """Nothing."""
    return 1


async def _submit(work: list[str]) -> None:
    await broker.startup()
    for start in range(0, len(work), TOGETHER):
        await asyncio.gather(*(noop.kiq(payload) for payload in work[start : start + TOGETHER]))
    await broker.shutdown()


if __name__ == "__main__":
    main(lambda work: asyncio.run(_submit(work)))
