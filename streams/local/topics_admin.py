"""Make the topics of streams.topics.layout where they are missing, and say where they differ."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from kafka import KafkaAdminClient
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    for_code,
)

from streams.local.errors import SetupError
from streams.local.ports import listens
from streams.settings import Settings
from streams.topics import FITTING, differences, layout

CLUSTER = 3
"""From so many copies on, a write is safe on two of them before it is acknowledged."""

TRIES = 5
"""How often a question is asked: of three brokers two may be gone."""

T = TypeVar("T")


@contextmanager
def admin(bootstrap: str, within_ms: int = 10_000) -> Iterator[KafkaAdminClient]:
    """A client for administration. Raises SetupError where no broker answers within that time; each is given it."""
    try:
        there = [server for server in bootstrap.split(",") if listens(server)]
        if not there:  # the client would leave sockets open
            raise ConnectionRefusedError
        client = _first_of(there, within_ms)
    except (KafkaError, OSError) as error:
        raise SetupError(f"no Kafka broker answers at {bootstrap} (HEADRACE_KAFKA)") from error
    try:
        yield client
    finally:
        client.close()


def _first_of(servers: list[str], within_ms: int) -> KafkaAdminClient:
    """A client of the first that answers: the library chooses one, which may hang."""
    within = {"bootstrap_timeout_ms": within_ms, "request_timeout_ms": within_ms}
    for server in servers[:-1]:
        with suppress(KafkaError):
            return KafkaAdminClient(bootstrap_servers=server, **within)
    return KafkaAdminClient(bootstrap_servers=servers[-1], **within)


def asked(question: Callable[[], T]) -> T:
    """What a client answers. It may ask a broker that is gone or hangs; then it asks again. Raises KafkaError."""
    for _ in range(TRIES - 1):
        with suppress(KafkaConnectionError, KafkaTimeoutError, RequestTimedOutError):
            return question()
    return question()


def answers(bootstrap: str) -> bool:
    """Whether a broker there answers a metadata request."""
    try:
        with admin(bootstrap, within_ms=1_000) as client:
            return bool(asked(client.describe_cluster)["brokers"])
    except (SetupError, KafkaError, OSError):
        return False


def partitions_of(client: KafkaAdminClient) -> dict[str, int]:
    """How many partitions each topic has now."""
    return {topic["name"]: len(topic["partitions"]) for topic in asked(client.describe_topics)}


def ensure_topics(settings: Settings) -> list[str]:
    """Make what is missing and name it. Raises SetupError where a topic has another number of partitions."""
    with admin(settings.kafka) as client:
        have = partitions_of(client)
        if wrong := differences(settings, have):
            raise SetupError(f"{wrong[0]}: {FITTING}")
        missing = {name: how for name, how in layout(settings).items() if name not in have}
        _create(client, settings, missing)
    return list(missing)


def _create(client: KafkaAdminClient, settings: Settings, topics: dict[str, tuple[int, dict[str, str]]]) -> None:
    safe = {"min.insync.replicas": "2"} if settings.replication >= CLUSTER else {}
    wanted = {
        name: {"num_partitions": count, "replication_factor": settings.replication, "configs": {**safe, **configs}}
        for name, (count, configs) in topics.items()
    }
    if not wanted:
        return
    answer = client.create_topics(wanted, raise_errors=False, wait_for_metadata=True)
    for topic in answer["topics"]:
        kind = for_code(topic["error_code"])
        if topic["error_code"] and kind is not TopicAlreadyExistsError:  # another process may have been quicker
            said = topic["error_message"] or kind.__name__
            raise SetupError(f"Kafka refused to make the topic {topic['name']!r}: {said}")
