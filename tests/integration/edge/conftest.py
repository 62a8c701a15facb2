"""A real edge and a real scheduler, as processes, for the tests of this folder; no worker unless a test plays one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from streams.local.ports import free_ports
from streams.local.supervisor import environment
from streams.local.topics_admin import admin, ensure_topics
from streams.settings import Settings
from streams.topics import Topics, layout
from ui.client import Client

STARTS_WITHIN = 60
"""Seconds; many times what it takes on a machine that does nothing else."""


@dataclass(frozen=True)
class System:
    """Where the edge is, how it is entered, and whose data it has."""

    settings: Settings
    env: dict[str, str]
    token: str

    @property
    def topics(self) -> Topics:
        """The topics of this system."""
        return Topics.under(self.settings.namespace)

    def http(self) -> httpx.Client:
        """A plain HTTP client that has the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.settings.edge_url, headers=headers, trust_env=False, timeout=60)

    def client(self) -> Client:
        """The typed client."""
        return Client(self.settings.edge_url, self.token)

    def run(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """The command line, as a process."""
        line = [sys.executable, "-m", "headrace", *words]
        return subprocess.run(
            line, env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=110, check=False
        )


@pytest.fixture(scope="session")
def system(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An edge and a scheduler on topics of their own."""
    home: Path = tmp_path_factory.mktemp("edge")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = Settings(
        home=home, kafka=kafka, namespace=f"edge-{uuid4().hex[:8]}", edge_port=port, edge_url=f"http://127.0.0.1:{port}"
    )
    env = {**os.environ, "HEADRACE_HOME": str(home), "HEADRACE_KAFKA": kafka, "NO_COLOR": "1", "COLUMNS": "160"}
    env |= {"HEADRACE_NAMESPACE": settings.namespace, "HEADRACE_EDGE_PORT": str(port)}
    env |= {"HEADRACE_EDGE_URL": settings.edge_url}
    ensure_topics(settings)
    processes = [start(role, home, env) for role in ("scheduler", "edge")]
    try:
        for role, process in zip(("scheduler", "edge"), processes, strict=True):
            until_ready(home / f"{role}.ready", process, home / f"{role}.log")
        yield System(settings, env, (home / "api-token").read_text().strip())
    finally:
        stop(processes)
        with admin(kafka) as client:
            mine = [name for name in client.list_topics() if name.startswith(f"{settings.namespace}.")]
            client.delete_topics([*layout(settings), *(n for n in mine if n not in layout(settings))])


def start(role: str, home: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A role as a process of its own; what it says goes to a file."""
    with (home / f"{role}.log").open("wb") as log:
        ready = {"HEADRACE_READY_FILE": str(home / f"{role}.ready")}
        return subprocess.Popen([sys.executable, "-m", "headrace", role], env=env | ready, stdout=log, stderr=log)


def until_ready(ready: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a role says that it is ready."""
    deadline = time.monotonic() + STARTS_WITHIN
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{ready.stem} did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End the roles; each must do so by itself when asked to."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def apart(kafka: str, home: Path, **named: str) -> Iterator[Settings]:
    """Settings and topics of a system of its own."""
    [edge] = free_ports(1)
    ours = {"namespace": f"away-{uuid4().hex[:8]}", "edge_port": edge, "edge_url": f"http://127.0.0.1:{edge}"}
    settings = Settings.model_validate({"home": home, "kafka": kafka, **ours, **named})
    ensure_topics(settings)
    try:
        yield settings
    finally:
        with admin(kafka) as client:
            client.delete_topics(list(layout(settings)))


@contextmanager
def up(settings: Settings, *roles: str) -> Iterator[None]:
    """Its roles, as processes."""
    home, env = settings.home, {**os.environ, **environment(settings)}
    for role in roles:
        (home / f"{role}.ready").unlink(missing_ok=True)
    processes = [start(role, home, env) for role in roles]
    try:
        for role, process in zip(roles, processes, strict=True):
            until_ready(home / f"{role}.ready", process, home / f"{role}.log")
        yield
    finally:
        stop(processes)


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    """A typed client of the edge."""
    with system.client() as made:
        yield made


@pytest.fixture
def name() -> str:
    """A task's name that no other test uses."""
    return f"t-{uuid4().hex[:10]}"


@pytest.fixture
def system_http(system: System) -> Iterator[httpx.Client]:
    """A plain HTTP client that has the token."""
    with system.http() as made:
        yield made
