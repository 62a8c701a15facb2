"""Celery over Redis, with its defaults: a message is acknowledged before its task runs."""

import redis
from celery import Celery
from common import URL, main

app = Celery("celery_app", broker=URL, backend=URL)


@app.task
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def _submit(work: list[str]) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for payload in work:
            noop.apply_async((payload,), producer=producer)


def results(connection: redis.Redis) -> int:
    """Every key that is not the broker's is a result."""
    others = {"celery", "_kombu.binding.celery", "_kombu.binding.celery.pidbox", "_kombu.binding.celeryev", "unacked"}
    return connection.dbsize() - connection.exists(*others, "unacked_index", "unacked_mutex")


if __name__ == "__main__":
    main(_submit, results)
