"""The system that is tormented: brokers, an edge or two, two schedulers and two workers, with homes of their own."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from streams.bench.system import settings_in
from streams.local.broker import Broker
from streams.local.broker import brokers as brokers_in
from streams.local.cluster import HANGS_AFTER, local_settings, running
from streams.local.ports import free_ports
from streams.local.supervisor import Child, Role, Supervisor, role
from streams.local.topics_admin import answers
from streams.settings import Settings
from streams.token import read_token, token_path
from tests.apps.clickhouse_server import Server
from tests.chaos import witnessed
from tests.history.facts import TERMINAL
from ui.client import Client

SLOTS = 4

MORE = ("second", "third")
"""Names of further processes of a role, and of their homes."""

OPEN = f"""
SELECT count() - countIf(state IN {tuple(sorted(TERMINAL))}), count() FROM executions
"""  # noqa: S608  (ours)


@dataclass
class System:
    """What runs, and how to reach it: `edges` are the addresses of all, `client` is one of the first one's.

    `keep`: whether its folder stays for whoever looks for a cause.
    """

    settings: Settings
    supervisor: Supervisor
    client: Client
    edges: list[str]
    keep: bool = False
    leaving: list[Child] = field(default_factory=list)
    clickhouse: Server | None = None

    def of(self, role: str) -> list[Child]:
        """The processes of a role."""
        return [child for child in self.supervisor.children if child.role.name.partition("-")[0] == role]

    def homes(self) -> list[Path]:
        """The home folder of each scheduler."""
        homes = (self.settings.home, *(self.settings.home / name for name in MORE))
        return [home for home in homes if (home / "state").exists()]

    def stop_schedulers(self) -> None:
        """All of them, so that their tables can be read."""
        for child in [*self.of("scheduler"), *self.leaving]:
            child.stop()

    def invite(self) -> Child:
        """One more scheduler, with a home of its own."""
        [child] = self.supervisor.launch([_another("scheduler", self.settings, MORE[1])])
        return child

    def dismiss(self, child: Child) -> None:
        """Ask it to end; nobody starts it again."""
        self.supervisor.children.remove(child)
        self.leaving.append(child)
        if child.process:
            child.process.terminate()

    def open(self) -> tuple[int, int]:
        """How many executions have not ended, and how many there are. Raises ApiError, ApiUnavailableError."""
        still, rows = (int(str(n)) for n in self.client.sql(OPEN).rows[0])
        return still, rows

    def witness(self) -> list[str]:
        """What the tasks said, a line each."""
        return (self.settings.pipelines_dir / witnessed.WITNESS.name).read_text().splitlines()


@contextmanager
def system(
    say: Callable[[str], None],
    *,
    brokers: int = 1,
    clickhouse: str = "chdb",
    edges: int = 1,
    prepare: Callable[[Path], object] = bool,
    dismantle: Callable[[], object] = bool,
) -> Iterator[System]:
    """All of it up while inside, in a folder that is removed unless something went wrong. Raises SetupError.

    More than one of the `edges` want a server for `clickhouse`: the embedded engine's folder has one owner.
    `prepare` and `dismantle` are called with the folder before anything runs, and when nothing runs any more.
    """
    folder = Path(tempfile.mkdtemp(prefix="headrace-chaos-"))
    settings = _settings(folder).model_copy(update={"clickhouse": clickhouse})
    supervisor = Supervisor(say)
    keep = True
    try:
        prepare(folder)
        if brokers > 1:
            settings = _cluster(settings, supervisor, brokers)
        with running(settings, say, supervisor):
            second = [_another(name, settings, MORE[0]) for name in ("scheduler", "worker")]
            doors = [settings, *(_at_another_door(settings) for _ in range(edges - 1))]
            second += [_another("edge", door, name) for door, name in zip(doors[1:], MORE, strict=False)]
            supervisor.wait(supervisor.launch(second))
            with Client(settings.edge_url, read_token(settings)) as client:
                yield (here := System(settings, supervisor, client, [door.edge_url for door in doors]))
        keep = here.keep
    finally:
        supervisor.stop()
        dismantle()
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


def _cluster(settings: Settings, supervisor: Supervisor, count: int) -> Settings:
    """Several brokers that keep every record on up to three of them; the settings that name them."""
    nodes = brokers_in(settings.home / "kafka", free_ports(2 * count))
    supervisor.wait(supervisor.launch([_broker_role(node) for node in nodes]))
    kafka = ",".join(node.bootstrap for node in nodes)
    return settings.model_copy(update={"kafka": kafka, "replication": min(count, 3)})


def _broker_role(node: Broker) -> Role:
    ready = partial(answers, node.bootstrap)
    # the last ones have no majority to say goodbye to, and nobody needs their data any more
    return Role(f"kafka-{node.node}", tuple(node.prepare()), node.log, ready, patience=2, may_idle=HANGS_AFTER)


def _at_another_door(settings: Settings) -> Settings:
    """For one more edge: an address of its own, and the token of the first one."""
    [port] = free_ports(1)
    own = {"edge_port": port, "edge_url": f"http://{settings.edge_host}:{port}", "token_file": token_path(settings)}
    return settings.model_copy(update=own)


def _another(name: str, settings: Settings, home: str) -> Role:
    other = settings.model_copy(update={"home": settings.home / home})
    return replace(role(name, other, patience=settings.drain_timeout + 5), name=f"{name}-{home}")
