"""Where a role waits for Kafka: roles start in any order, and all at once on one machine."""

import asyncio
import time

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts
from aiokafka.errors import KafkaError

from pipelines.command import command
from streams.settings import Settings, SettingsError
from streams.topics import layout, must_fit

STEP = 0.05
"""Seconds between two looks."""

PATIENCE = 1.0
"""Seconds that one server gets to take a connection."""

LAST_PORT = 65_535


async def topics_there(settings: Settings, within: float = 60.0) -> None:
    """Return when a broker has all our topics.

    Raises SystemExit with what is missing after `within` seconds, SettingsError where nobody can tell which broker, and
    where the topics have other partitions than the settings say.
    """
    deadline = time.monotonic() + within
    while missing := await _missing(settings):
        if time.monotonic() > deadline:
            raise SystemExit(f"{missing}, after {within:g} s of waiting for it")
        await asyncio.sleep(STEP)


async def _missing(settings: Settings) -> str:
    """What is not there yet, as a sentence; empty where nothing is missing."""
    if not await listens(settings.kafka):  # the client would log an error each time
        return f"no Kafka broker answers at {settings.kafka} (HEADRACE_KAFKA)"
    client = AIOKafkaClient(bootstrap_servers=settings.kafka)
    try:
        await client.bootstrap()
        found = await client.fetch_all_metadata()
    except KafkaError as error:
        return f"the Kafka broker at {settings.kafka} does not say which topics it has: {error}"
    finally:
        await client.close()
    have = {name: len(found.partitions_for_topic(name) or ()) for name in found.topics()}
    must_fit(settings, have)
    missing = layout(settings).keys() - have.keys()
    return f"the topic {min(missing)!r} is missing (`{command('topics')}` makes it)" if missing else ""


async def listens(servers: str) -> bool:
    """Whether one of them takes a connection. Raises SettingsError where nobody can tell who they are."""
    for host, port in hosts_of(servers):
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:  # a TimeoutError is one too
            continue
        writer.close()
        return True
    return False


def hosts_of(servers: str) -> list[tuple[str, int]]:
    """Hosts and ports, as the client itself reads them. Raises SettingsError."""
    try:
        hosts = [(host, port) for host, port, _ in collect_hosts(servers)]
    except ValueError:
        hosts = []
    if not hosts or not all(host and 0 < port <= LAST_PORT for host, port in hosts):
        raise SettingsError(
            f"HEADRACE_KAFKA is {servers[:100]!r}; give host:port, several with commas between, as 127.0.0.1:9092"
        )
    return hosts
