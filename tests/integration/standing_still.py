"""A broker that hangs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from streams.local.broker import Broker


@contextmanager
def standing_still(broker: Broker) -> Iterator[None]:
    """While inside, the broker answers nobody, though its port is open."""
    assert broker.process
    broker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.process.send_signal(signal.SIGCONT)
