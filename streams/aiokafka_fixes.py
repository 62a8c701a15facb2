"""Where aiokafka is made to do in every process what its settings do not offer (see also streams.state.faust_fixes)."""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import MethodType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import ProducerClosed

from streams.log import Seldom

ENDING = 0.2
"""Seconds that what is on its way to a broker gets when nobody waits for it any more."""

FIRST_ANSWER = 5.0
"""Seconds that one of several brokers has for each answer while a producer starts: then another one is asked."""

_look = AIOKafkaClient._metadata_update  # noqa: SLF001  (there is no public way)
_seldom = Seldom()


async def _look_and_rest(client: AIOKafkaClient, cluster: ClusterMetadata, topics: Any) -> bool:
    found: bool = await _look(client, cluster, topics)
    if not found or any(_lacks_a_leader(cluster, topic) for topic in topics or cluster.topics()):
        await asyncio.sleep(client._retry_backoff)  # noqa: SLF001  (the same)
    return found


def _lacks_a_leader(cluster: ClusterMetadata, topic: str) -> bool:
    partitions = cluster.partitions_for_topic(topic)
    return partitions is None or partitions != cluster.available_partitions_for_topic(topic)


def look_seldom(where: AIOKafkaClient | type[AIOKafkaClient] = AIOKafkaClient) -> None:
    """Where a look for the brokers finds none, or not all leaders, let `retry_backoff_ms` pass. `where`: all, or one.

    A producer that has something for a partition without a leader asks for the next look at once. A broker that ends
    tells its clients first that it leads nothing any more, and then refuses their connections: some 14,000 looks a
    second, and a whole core, until it is back. Tests: test_aiokafka_fixes.py, test_client_away.py.
    """
    look = _look_and_rest if isinstance(where, type) else MethodType(_look_and_rest, where)
    where._metadata_update = look  # noqa: SLF001  (the same)


@contextmanager
def asking_another_soon(producer: AIOKafkaProducer) -> Iterator[None]:
    """While it starts inside, a broker that hangs is left for another one after `FIRST_ANSWER`.

    `request_timeout_ms` is the limit of a message, of a request and of an answer at the start at once: the first of
    several brokers that hangs would take all of it. Afterwards it holds again: a slow line needs it for what is large.
    Test: test_client_away.py.
    """
    client, patience = producer.client, producer.client._request_timeout_ms  # noqa: SLF001  (the same, as all below)
    client._request_timeout_ms = min(patience, round(FIRST_ANSWER * 1000))  # noqa: SLF001
    try:
        yield
    finally:
        client._request_timeout_ms = patience  # noqa: SLF001
        for connection in client._conns.values():  # noqa: SLF001
            connection._request_timeout = patience / 1000  # noqa: SLF001


async def stop_soon(producer: AIOKafkaProducer) -> None:
    """Stop it, without what is not acknowledged yet: that fails with ProducerClosed.

    Its own way out waits for as long as a broker that hangs takes for each request in turn, and for what a socket has
    not taken. Test: test_client_away.py.
    """
    gathered = producer._message_accumulator  # noqa: SLF001  (the same, as all below)
    with suppress(TimeoutError):  # of a request on its way, which is cancelled by that
        async with asyncio.timeout(ENDING):
            await producer._sender.close()  # noqa: SLF001
    rest = list(itertools.chain.from_iterable(gathered._batches.values()))  # noqa: SLF001
    gathered._pending_batches.update(rest)  # noqa: SLF001  (where one that was tried before takes itself out of)
    gathered.fail_all(ProducerClosed())
    for batch in rest:
        batch._drain_waiter.exception()  # noqa: SLF001  (nobody asks, and asyncio would complain)
    for connection in producer.client._conns.values():  # noqa: SLF001
        if connection.connected() and connection._writer.transport.get_write_buffer_size():  # noqa: SLF001
            connection._writer.transport.abort()  # noqa: SLF001
    await producer.stop()


def say_seldom() -> None:
    """Keep clients from saying the same ten times a second in a process whose log is not ours."""
    for name in ("aiokafka", "aiokafka.cluster", "aiokafka.conn", "aiokafka.producer.sender"):
        logging.getLogger(name).addFilter(_seldom)
