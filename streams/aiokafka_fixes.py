"""Where aiokafka is made to do in every process what its settings do not offer (see also streams.state.faust_fixes)."""

import asyncio
import logging
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata

from streams.log import Seldom

_look = AIOKafkaClient._metadata_update  # noqa: SLF001  (there is no public way)
_seldom = Seldom()


async def _look_and_rest(client: AIOKafkaClient, cluster: ClusterMetadata, topics: Any) -> bool:
    found: bool = await _look(client, cluster, topics)
    if not found or _lacks_a_leader(cluster, topics or cluster.topics()):
        await asyncio.sleep(client._retry_backoff)  # noqa: SLF001  (the same)
    return found


def _lacks_a_leader(cluster: ClusterMetadata, topics: Any) -> bool:
    return any(cluster.partitions_for_topic(t) != cluster.available_partitions_for_topic(t) for t in topics)


def look_seldom() -> None:
    """Where a look for the brokers found none, or a partition without a leader, let `retry_backoff_ms` pass.

    A producer that has something for such a partition asks for the next look at once. A broker that ends tells its
    clients first that it leads nothing any more, and then refuses their connections: some 14,000 looks a second, and a
    whole core, until it is back. Test: test_client_away.py.
    """
    AIOKafkaClient._metadata_update = _look_and_rest  # noqa: SLF001  (the same)


def say_seldom() -> None:
    """Keep aiokafka from saying the same ten times a second in a process whose log is not ours."""
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender"):
        logging.getLogger(name).addFilter(_seldom)
