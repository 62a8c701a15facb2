"""Huey over Redis: what a worker popped is gone with it."""

import redis
from common import URL, main
from huey import RedisHuey

huey = RedisHuey("peers", url=URL)


@huey.task()
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def _submit(work: list[str]) -> None:
    for payload in work:
        noop(payload)


def results(connection: redis.Redis) -> int:
    """Results are the fields of one hash."""
    return connection.hlen("huey.results.peers")


if __name__ == "__main__":
    main(_submit, results)
