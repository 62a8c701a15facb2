"""The changelog topics: checked and made at the start."""

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.state.partition import StateError
from streams.state.reader import Reader
from streams.state.replay import DELETE_RETENTION
from streams.state.table import Table
from streams.topics import MESSAGE_LIMIT

CONFIG = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "CreateTime",  # a store knows its last record by its time
    "max.message.bytes": str(MESSAGE_LIMIT),
    "delete.retention.ms": str(int(DELETE_RETENTION * 1000)),
}
MAJORITY_FROM = 3
"""Replicas from which on two of them must have a record before it counts as written."""

VISIBLE_WITHIN = 10.0


async def check_topics(reader: Reader, tables: Iterable[Table]) -> None:
    """Raise StateError where an input is missing or is not partitioned as its table is."""
    wanted = list(tables)
    found = await reader.partitions_of({table.source for table in wanted})
    for table in wanted:
        if not found[table.source]:
            raise StateError(f"topic {table.source}, the input of table {table.name}, does not exist")
        _check_count(table, table.source, found[table.source])


async def ensure_changelogs(bootstrap: str, reader: Reader, tables: Iterable[Table], replication: int) -> None:
    """Make the changelogs that are missing, and wait until they can be seen."""
    by_topic = {table.changelog: table for table in tables}
    found = await reader.partitions_of(by_topic)
    if missing := [topic for topic, count in found.items() if not count]:
        await _create(bootstrap, [_new(by_topic[topic], replication) for topic in missing])
        found = await _seen(reader, by_topic)
    for topic, table in by_topic.items():
        _check_count(table, topic, found[topic])


async def _seen(reader: Reader, topics: Iterable[str]) -> dict[str, int]:
    """The partitions of each topic, once all of them are known to the broker that was asked."""
    async with asyncio.timeout(VISIBLE_WITHIN):
        while True:
            found = await reader.partitions_of(topics)
            if all(found.values()):
                return found
            await asyncio.sleep(0.05)


def _check_count(table: Table, topic: str, found: int) -> None:
    if found != table.partitions:
        raise StateError(
            f"topic {topic} has {found} partitions, table {table.name} is set to {table.partitions}: "
            "they must be the same, and stay so"
        )


def _new(table: Table, replication: int) -> NewTopic:
    majority = {"min.insync.replicas": "2"} if replication >= MAJORITY_FROM else {}
    return NewTopic(table.changelog, table.partitions, replication, topic_configs={**CONFIG, **majority})


async def _create(bootstrap: str, topics: list[NewTopic]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(topics)
    finally:
        await admin.close()
    for topic, code, message in (error[:3] for error in answer.topic_errors):
        if code not in (0, TopicAlreadyExistsError.errno):
            raise StateError(f"topic {topic} cannot be made: {for_code(code).__name__} {message or ''}")
