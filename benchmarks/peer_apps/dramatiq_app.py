"""Dramatiq over Redis: a message is acknowledged when its task has run."""

import dramatiq
from common import RESULTS, URL, main
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=RESULTS)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def _submit(work: list[str]) -> None:
    for payload in work:
        noop.send(payload)


if __name__ == "__main__":
    main(_submit)
