"""The system that is measured: the running one, or one of its own in a temporary folder."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.command import command
from streams.bench import load
from streams.local.cluster import local_settings, running
from streams.local.errors import SetupError
from streams.local.ports import free_ports, is_free
from streams.local.supervisor import Child, Supervisor
from streams.settings import Settings
from streams.token import read_token
from ui.client import ApiUnavailableError, Client


@dataclass(frozen=True)
class System:
    """What is measured: its settings, a client of its API, and its processes where they are ours."""

    settings: Settings
    client: Client
    supervisor: Supervisor | None = None

    def child(self, name: str) -> Child:
        """One of our processes. Raises ValueError where the system is not ours."""
        if self.supervisor and (child := self.supervisor.child(name)):
            return child
        raise ValueError(f"no process {name!r} of ours runs")


@contextmanager
def system(settings: Settings, *, own: bool) -> Iterator[System]:
    """One that is started for it and removed when left, or (not `own`) what runs. Raises SetupError where none does."""
    settings = local_settings(settings)
    there = _runs(settings)
    if not own:
        if not there:
            raise SetupError(f"--running measures what runs, and nothing does at {settings.edge_url}: leave it out")
        listed = command(f"list --owner {load.OWNER}")
        say(
            f"Using the running system at {settings.edge_url}. What is sent, warm-up included, stays in its history as "
            f"executions of the owner {load.OWNER!r} (`{listed}`)."
        )
        with Client(settings.edge_url, read_token(settings)) as client:
            yield System(settings, client)
        return
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        mine = settings_in(Path(folder), settings)
        beside = f"; the one at {settings.edge_url} runs beside it, which costs figures" if there else ""
        say(f"A system of its own is measured, and removed afterwards{beside}.")
        supervisor = Supervisor(say, lambda: None)
        with running(mine, say, supervisor), Client(mine.edge_url, read_token(mine), timeout=120) as client:
            yield System(mine, client, supervisor)


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


def say(line: str) -> None:
    """A line for people, beside the figures."""
    sys.stderr.write(f"{line}\n")
