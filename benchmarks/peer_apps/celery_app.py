"""Celery over Redis, with its defaults: a message is acknowledged before its task runs."""

from celery import Celery
from common import RESULTS, URL, main

app = Celery("celery_app", broker=URL, backend=RESULTS)


@app.task
def noop(_payload: str) -> int:
    """Nothing."""
    return 1


def _submit(work: list[str]) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for payload in work:
            noop.apply_async((payload,), producer=producer)


if __name__ == "__main__":
    main(_submit)
