"""The changelog topics: checked and made at the start."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.state.partition import StateError
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

VISIBLE_WITHIN = 5.0
"""Seconds that a broker may need to see a new topic."""


async def prepare_topics(bootstrap: str, tables: Iterable[Table], replication: int) -> None:
    """Check the tables' inputs and make the changelogs that are missing.

    Raises StateError where an input is missing, or a topic is not partitioned as its table is.
    """
    wanted = list(tables)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await _check_inputs(admin, wanted)
        await _ensure_changelogs(admin, wanted, replication)
    finally:
        await admin.close()


async def _check_inputs(admin: AIOKafkaAdminClient, tables: list[Table]) -> None:
    found = await _seen(admin, [table.source for table in tables])
    for table in tables:
        if not found[table.source]:
            raise StateError(f"topic {table.source}, the input of table {table.name}, does not exist")
        _check_count(table, table.source, found[table.source])


async def _ensure_changelogs(admin: AIOKafkaAdminClient, tables: list[Table], replication: int) -> None:
    topics = [table.changelog for table in tables]
    found = await partitions_of(admin, topics)
    for table in tables:
        if not found[table.changelog]:
            await create_changelog(admin, table.changelog, table.partitions, replication)
    found = await _seen(admin, topics)
    for table in tables:
        _check_count(table, table.changelog, found[table.changelog])


async def _seen(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, int]:
    """The partitions of each topic; waits a while for those that were only just made."""
    with suppress(TimeoutError):
        async with asyncio.timeout(VISIBLE_WITHIN):
            while not all((await partitions_of(admin, topics)).values()):  # noqa: ASYNC110  (the broker tells nobody)
                await asyncio.sleep(0.05)
    return await partitions_of(admin, topics)


async def partitions_of(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, int]:
    """How many partitions each topic has; 0 for one that does not exist."""
    if not topics:
        return {}
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(sorted(set(topics)))}


def _check_count(table: Table, topic: str, found: int) -> None:
    if found != table.partitions:
        raise StateError(
            f"topic {topic} has {found} partitions, table {table.name} is set to {table.partitions}: "
            "they must be the same, and stay so"
        )


async def create_changelog(admin: AIOKafkaAdminClient, name: str, partitions: int, replication: int) -> None:
    """Make a compacted topic; fine where it exists already."""
    majority = {"min.insync.replicas": "2"} if replication >= MAJORITY_FROM else {}
    answer = await admin.create_topics([NewTopic(name, partitions, replication, topic_configs={**CONFIG, **majority})])
    for topic, code, message in (error[:3] for error in answer.topic_errors):
        if code not in (0, TopicAlreadyExistsError.errno):
            raise StateError(f"topic {topic} cannot be made: {for_code(code).__name__} {message or ''}")
