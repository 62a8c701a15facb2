"""The system that is measured: the running one, or one of its own in a temporary folder."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.local.cluster import local_settings, running
from streams.local.ports import free_ports, is_free
from streams.local.supervisor import Supervisor
from streams.settings import Settings
from streams.token import read_token
from ui.client import ApiUnavailableError, Client


@contextmanager
def system(settings: Settings) -> Iterator[tuple[Settings, Client]]:
    """Settings of, and a client for, what runs; nothing runs: start it, and remove it when left. Raises SetupError."""
    settings = local_settings(settings)
    if _runs(settings):
        _say(f"Using the running system at {settings.edge_url}; all executions, warm-up included, stay in its history.")
        with Client(settings.edge_url, read_token(settings)) as client:
            yield settings, client
        return
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        own = settings_in(Path(folder), settings)
        supervisor = Supervisor(_say, lambda: None)
        with running(own, _say, supervisor), Client(own.edge_url, read_token(own)) as client:
            yield own, client


def _runs(settings: Settings) -> bool:
    try:
        with Client(settings.edge_url, read_token(settings)) as client:
            return bool(client.health())
    except (ApiUnavailableError, FileNotFoundError):
        return False


def settings_in(folder: Path, settings: Settings) -> Settings:
    """The same settings for a system of its own in a folder, on ports that are free."""
    kafka, _controller, edge, dashboard = _ports()
    return settings.model_copy(
        update={
            "home": folder,
            "kafka": f"127.0.0.1:{kafka}",
            "edge_port": edge,
            "edge_url": f"http://127.0.0.1:{edge}",
            "dashboard_port": dashboard,
            "token_file": None,
        }
    )


def _ports() -> list[int]:
    """Free ports, the second next to the first: Kafka's controller listens beside it."""
    while True:
        kafka, edge, dashboard = free_ports(3)
        if is_free(kafka + 1) and kafka + 1 not in {edge, dashboard}:
            return [kafka, kafka + 1, edge, dashboard]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
