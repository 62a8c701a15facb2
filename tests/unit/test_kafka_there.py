import asyncio

import pytest

from streams.kafka_there import hosts_of, listens, topics_there
from streams.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("servers", "hosts"),
    [
        ("kafka", {("kafka", 9092)}),
        ("[::1]:9093", {("::1", 9093)}),
        ("a:1, b:2", {("a", 1), ("b", 2)}),
    ],
)
def test_servers_are_read_as_the_client_reads_them(servers: str, hosts: set[tuple[str, int]]) -> None:
    """With Kafka's own port where none is given, and IPv6 addresses in brackets."""
    assert set(hosts_of(servers)) == hosts


@pytest.mark.parametrize("servers", ["", "kafka:", "kafka:port", "kafka:70000", "[::1", "a:1,,b:2"])
async def test_servers_that_cannot_be_read_are_named_at_once(servers: str) -> None:
    """Waiting would not help: the error has the value and what would be right."""
    with pytest.raises(SettingsError, match=r"HEADRACE_KAFKA is .*; give host:port"):
        await topics_there(Settings(kafka=servers))


async def test_one_that_answers_is_enough() -> None:
    """A server that refuses does not hide the next one."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await listens(f"127.0.0.1:1,127.0.0.1:{port}")
    assert not await listens(f"127.0.0.1:1,127.0.0.1:{port}")
