"""An edge that starts or ends beside another one: nobody's call fails for it."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipelines.ids import from_text
from pipelines.model import ExternalTask
from streams.bench import logs
from streams.edge.live import Live
from streams.local.ports import free_ports
from streams.local.supervisor import environment
from streams.settings import Settings
from streams.token import read_token
from streams.topics import Topics
from tests.apps.clickhouse_server import Server
from tests.integration.edge.conftest import apart, start, until_ready
from ui.client import ApiUnavailableError, Client


@contextmanager
def edge(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """An edge that starts."""
    process = start("edge", settings.home, {**os.environ, **environment(settings)})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A ClickHouse server."""
    server = Server(tmp_path / "clickhouse")
    server.start()
    yield server
    server.kill()


def test_who_waits_for_a_decision_is_answered_when_the_edge_ends(kafka: str, tmp_path: Path) -> None:
    """The order is durable, and no more is known: the scheduler is away for longer than the edge stays."""
    with apart(kafka, tmp_path) as settings, edge(settings) as process, ThreadPoolExecutor(1) as pool:
        until_ready(tmp_path / "edge.ready", process, tmp_path / "edge.log")
        with Client(settings.edge_url, read_token(settings)) as client:
            tasks = Topics.under(settings.namespace).tasks
            before = logs.ends(settings, tasks)
            answer = pool.submit(client.submit, ExternalTask(id="waits"), run="r", wait=30)
            while logs.ends(settings, tasks) == before:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert not answer.result(15).decided
        assert process.wait(15) == 0


def test_who_asks_for_longer_than_the_edge_stays_may_ask_again(kafka: str, server: Server, tmp_path: Path) -> None:
    """A balancer hands such a question to another edge."""
    with (
        apart(kafka, tmp_path, clickhouse=server.url) as settings,
        edge(settings) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        until_ready(tmp_path / "edge.ready", process, tmp_path / "edge.log")
        with Client(settings.edge_url, read_token(settings)) as client:
            server.signal(signal.SIGSTOP)
            answer = pool.submit(client.executions)
            while not any(
                one.status == psutil.CONN_ESTABLISHED and one.laddr.port == settings.edge_port
                for one in psutil.Process(process.pid).net_connections()
            ):
                time.sleep(0.05)
            time.sleep(1)  # the question follows the connection
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ApiUnavailableError, match="ask again"):
                answer.result(15)


def test_a_starting_edge_refuses_calls(kafka: str, tmp_path: Path) -> None:
    """It waits for its ClickHouse server, and nobody waits with it who may ask another edge."""
    [nobody] = free_ports(1)
    with apart(kafka, tmp_path, clickhouse=f"http://127.0.0.1:{nobody}") as settings, edge(settings) as process:
        while not (tmp_path / "api-token").exists():  # the address is taken before
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{settings.edge_url}/health", trust_env=False)


async def test_a_new_edge_knows_what_just_happened(system: Any, client: Client, name: str) -> None:
    """What another edge has told of, and not written to the history yet, is no gap in what this one knows."""
    made = await asyncio.to_thread(client.submit, ExternalTask(id=name), run="r")
    live = Live(system.settings)
    await live.start()
    try:
        assert live.recent.last(from_text(made.execution or ""))
    finally:
        await live.stop()


async def test_an_edge_catches_up_with_what_another_one_has_told(system: Any, client: Client, name: str) -> None:
    """Of what was decided before somebody asks its tail has heard, whoever has told of it first."""
    live = Live(system.settings)
    await live.start()
    try:
        for number in range(20):
            made = await asyncio.to_thread(client.submit, ExternalTask(id=f"{name}-{number}"), run="r")
            await live.caught_up()
            assert live.recent.last(from_text(made.execution or ""))
    finally:
        await live.stop()
