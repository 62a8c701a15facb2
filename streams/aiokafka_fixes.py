"""Where aiokafka is made to do in every process what its settings do not offer (see also streams.state.faust_fixes)."""

import asyncio
import itertools
import logging
from types import MethodType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import ProducerClosed

from streams.log import Seldom

ENDING = 0.2
"""Seconds that what is on its way to a broker gets when nobody waits for it any more."""

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


async def give_up(producer: AIOKafkaProducer) -> None:
    """Stop it, without what is not acknowledged yet: that fails.

    Its own way out waits for as long as a broker that hangs takes for each request in turn.
    """
    gathered = producer._message_accumulator  # noqa: SLF001  (the same)
    gathered.fail_all(ProducerClosed())
    for batch in itertools.chain.from_iterable(gathered._batches.values()):  # noqa: SLF001  (the same)
        batch._drain_waiter.exception()  # noqa: SLF001  (nobody waits for it to leave, and asyncio would complain)
    try:
        async with asyncio.timeout(ENDING):
            await producer.stop()
    except TimeoutError:  # of what it had on its way, which is cancelled by that
        await producer.client.close()


def say_seldom() -> None:
    """Keep clients from saying the same ten times a second in a process whose log is not ours."""
    for name in ("aiokafka", "aiokafka.cluster", "aiokafka.conn", "aiokafka.producer.sender", "streams.client"):
        logging.getLogger(name).addFilter(_seldom)
