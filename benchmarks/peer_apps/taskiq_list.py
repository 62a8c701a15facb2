"""taskiq over a Redis list: what a worker popped is gone with it."""

import asyncio

import redis
from common import URL, main
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

broker = ListQueueBroker(URL).with_result_backend(RedisAsyncResultBackend(URL, prefix_str="result"))
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


def results(connection: redis.Redis) -> int:
    """Every key but the queue's is a result."""
    return connection.dbsize() - connection.exists("taskiq")


if __name__ == "__main__":
    main(lambda work: asyncio.run(_submit(work)), results)
