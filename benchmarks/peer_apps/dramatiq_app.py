"""Dramatiq over Redis: a message is acknowledged when its task has run."""

import dramatiq
import redis
from common import URL, main
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def _submit(work: list[str]) -> None:
    for payload in work:
        noop.send(payload)


def results(connection: redis.Redis) -> int:
    """Every key that is not the broker's (`dramatiq:...`) is a result."""
    return connection.dbsize() - sum(1 for _ in connection.scan_iter("dramatiq:*", count=100_000))


if __name__ == "__main__":
    main(_submit, results)
