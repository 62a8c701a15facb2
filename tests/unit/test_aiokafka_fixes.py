"""How often a client looks for its brokers; tests/integration/test_client_away.py has a real one that ends."""

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataResponse_v1

import headrace.__main__ as roles
from streams import aiokafka_fixes
from streams.aiokafka_fixes import look_seldom
from streams.settings import Settings

TOPIC = "t"
BACKOFF = 0.02


def cluster(*leaders: int) -> ClusterMetadata:
    """What a client knows of a topic with these leaders; none: there is no such topic."""
    known = ClusterMetadata()
    partitions = [(0, number, leader, [1], [1]) for number, leader in enumerate(leaders)]
    topics = [(0 if leaders else 3, TOPIC, False, partitions)]
    known.update_metadata(MetadataResponse_v1([(1, "here", 9092, None)], 1, topics))
    return known


@pytest.mark.parametrize("asked", [[TOPIC], None, set()])
@pytest.mark.parametrize(
    ("found", "known", "rests"),
    [
        (True, cluster(1, 1), False),
        (True, cluster(1, -1), True),
        (False, cluster(1, 1), True),
    ],
)
async def test_it_rests_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    found: bool,  # noqa: FBT001  (a parameter)
    known: ClusterMetadata,
    rests: bool,  # noqa: FBT001  (the same)
    asked: Any,
) -> None:
    """A broker or a leader, of what is asked for or of all; where nothing is missing, nobody waits."""
    assert await rest(monkeypatch, found, known, asked) == ([BACKOFF] if rests else [])


async def test_it_rests_where_a_topic_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has something for it asks again at once."""
    assert await rest(monkeypatch, True, cluster(), [TOPIC]) == [BACKOFF]


async def rest(monkeypatch: pytest.MonkeyPatch, found: bool, known: ClusterMetadata, asked: Any) -> list[float]:  # noqa: FBT001
    """The pauses of one look that ends so."""
    slept: list[float] = []

    async def look(*_: Any) -> bool:
        return found

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(aiokafka_fixes, "_look", look)
    monkeypatch.setattr(aiokafka_fixes.asyncio, "sleep", sleep)
    client = AIOKafkaClient(retry_backoff_ms=round(BACKOFF * 1000))
    look_seldom(client)
    assert await client._metadata_update(known, asked) is found
    return slept


def test_every_role_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its clients."""
    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", AIOKafkaClient._metadata_update)

    async def nothing(_: Settings) -> None:
        """Kafka is there."""

    async def role(_: Settings) -> None:
        assert AIOKafkaClient._metadata_update is aiokafka_fixes._look_and_rest

    monkeypatch.setattr("streams.kafka_there.topics_there", nothing)
    monkeypatch.setattr("streams.log.log_to_stderr", lambda: None)
    roles._run(role, Settings())
