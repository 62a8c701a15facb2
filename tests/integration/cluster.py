"""Three brokers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streams.local.broker import Broker, brokers
from streams.local.ports import free_ports


@contextmanager
def three_brokers(folder: Path) -> Iterator[tuple[list[Broker], str]]:
    """All of them up, and the addresses by which they are known together."""
    with ExitStack() as stack:
        nodes = brokers(folder, free_ports(6))
        for node in nodes:
            node.start()
            stack.callback(node.stop)
        for node in nodes:
            node.wait_ready()
        yield nodes, ",".join(node.bootstrap for node in nodes)
