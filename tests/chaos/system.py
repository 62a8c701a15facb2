"""The system that is tormented: one broker, one edge, two schedulers and two workers, each with a home of its own."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from streams.bench.system import settings_in
from streams.local.cluster import local_settings, running
from streams.local.supervisor import Child, Role, Supervisor, role
from streams.settings import Settings
from streams.token import read_token
from tests.chaos import witnessed
from ui.client import Client

SLOTS = 4


@dataclass
class System:
    """What runs, and how to reach it. `keep`: whether its folder stays for whoever looks for a cause."""

    settings: Settings
    supervisor: Supervisor
    client: Client
    keep: bool = False

    def of(self, role: str) -> list[Child]:
        """The processes of a role."""
        return [child for child in self.supervisor.children if child.role.name.partition("-")[0] == role]

    def homes(self) -> list[Path]:
        """The home folder of each scheduler."""
        return [self.settings.home, self.settings.home / "second"]

    def witness(self) -> list[str]:
        """What the tasks said, a line each."""
        return (self.settings.pipelines_dir / witnessed.WITNESS.name).read_text().splitlines()


@contextmanager
def system(say: Callable[[str], None]) -> Iterator[System]:
    """All of it up while inside, in a folder that is removed unless something went wrong. Raises SetupError."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-chaos-"))
    settings = _settings(folder)
    supervisor = Supervisor(say)
    keep = True
    try:
        with running(settings, say, supervisor):
            supervisor.wait(supervisor.launch([_second("scheduler", settings), _second("worker", settings)]))
            with Client(settings.edge_url, read_token(settings)) as client:
                yield (here := System(settings, supervisor, client))
        keep = here.keep
    finally:
        if keep:
            say(f"What is left of it stands in {folder}.")
        else:
            shutil.rmtree(folder)


def _settings(folder: Path) -> Settings:
    tasks = folder / "tasks"
    tasks.mkdir()
    shutil.copy(witnessed.__file__, tasks)
    own = {"pipelines_dir": tasks, "slots": SLOTS, "standbys": 1, "http_private": True}
    return settings_in(folder, local_settings(Settings())).model_copy(update=own)


def _second(name: str, settings: Settings) -> Role:
    other = settings.model_copy(update={"home": settings.home / "second"})
    return replace(role(name, other, patience=settings.drain_timeout + 5), name=f"{name}-2")
