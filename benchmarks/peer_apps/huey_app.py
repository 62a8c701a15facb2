"""Huey over Redis: what a worker popped is gone with it."""

import redis
from common import URL, main
from huey import RedisHuey

huey = RedisHuey("peers", url=URL)


@huey.task()
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def submit(work: list[str]) -> None:
    """As fast as one can."""
    for payload in work:
        noop(payload)


def results(connection: redis.Redis) -> int:
    """Results are the fields of one hash."""
    return connection.hlen("huey.results.peers")


if __name__ == "__main__":
    import huey_app  # a task is known by its module, and here this one has another name

    main(huey_app.submit, results, URL)
