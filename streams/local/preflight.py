"""What must hold before anything is started: each failure is one clear line, and nothing is left behind."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from streams.kafka_there import hosts_of
from streams.local.errors import SetupError
from streams.local.ports import is_free
from streams.settings import Settings, SettingsError

LEAST_FREE = 1_000_000_000
"""Bytes of disk below which Kafka and ClickHouse would soon stop in the middle of something."""

LOOPBACK = ("127.0.0.1", "localhost")
PATIENCE = 2.0
"""Seconds in which the ports of a predecessor that was killed just now become free."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that we will listen on, and the setting that changes it."""

    number: int
    use: str
    setting: str


def kafka_is_ours(settings: Settings) -> bool:
    """Whether the settings name a broker on this machine, to be started here, or someone else's cluster."""
    servers = settings.kafka.split(",")
    return len(servers) == 1 and servers[0].rpartition(":")[0] in LOOPBACK


def kafka_port(settings: Settings) -> int | None:
    """The port of our own broker, whose controller has the next; none: it is someone else's. Raises SettingsError."""
    return hosts_of(settings.kafka)[0][1] if kafka_is_ours(settings) else None


def ports(settings: Settings) -> list[Port]:
    """The ports that the roles will listen on."""
    kafka = kafka_port(settings)
    return [
        *(_kafka_ports(kafka) if kafka else []),
        Port(settings.edge_port, "the API", f"HEADRACE_EDGE_PORT={settings.edge_port + 10_000}"),
        Port(settings.dashboard_port, "the dashboard", f"HEADRACE_DASHBOARD_PORT={settings.dashboard_port + 10_000}"),
    ]


def _kafka_ports(kafka: int) -> list[Port]:
    change = f"HEADRACE_KAFKA=127.0.0.1:{kafka + 10_000}"
    return [Port(kafka, "Kafka", change), Port(kafka + 1, "Kafka's controller", change)]


def check_ports(wanted: list[Port], patience: float = PATIENCE) -> None:
    """Raise SetupError for the first port that stays taken: who has it, and which setting changes it."""
    deadline = time.monotonic() + patience
    for port in wanted:
        while not is_free(port.number):
            if time.monotonic() > deadline:
                raise SetupError(f"port {port.number} ({port.use}) is taken{taken_by(port)}; set e.g. {port.setting}")
            time.sleep(0.1)


def taken_by(port: Port) -> str:
    """Who listens there, as far as this user may see."""
    try:
        pid = listener(port.number)
        return f" by {psutil.Process(pid).name()} (process {pid})" if pid else ""
    except psutil.Error:
        return ""


def listener(number: int) -> int | None:
    """The process that listens on a port; none: nobody does whom this user may see."""
    try:
        listeners = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid]
    except psutil.Error:
        return None
    return next((c.pid for c in listeners if c.laddr and c.laddr.port == number), None)


def check_disk(home: Path, least: int = LEAST_FREE) -> None:
    """Raise SetupError where the disk of `home` is almost full."""
    if (free := shutil.disk_usage(home).free) < least:
        raise SetupError(
            f"only {free / 1e9:.1f} GB are free on the disk of {home}, and {least / 1e9:.1f} GB are needed; "
            "free some, or set HEADRACE_HOME to a folder on another disk"
        )


def check_pipelines(settings: Settings) -> None:
    """Raise SettingsError where the settings name a folder of pipelines that is not there."""
    if "pipelines_dir" in settings.model_fields_set:  # the default is the examples, wherever they are
        check_folder(settings.pipelines_dir, "HEADRACE_PIPELINES_DIR names")


def check_folder(folder: Path, who: str) -> None:
    """Raise SettingsError where there is no such folder; `who` says in words where it was named."""
    folder = folder.expanduser()
    if folder.is_file():
        raise SettingsError(f"{who} {folder}, and that is a file: name its folder, {folder.parent}")
    if not folder.is_dir():
        raise SettingsError(
            f"{who} {folder}, and there is no such folder; make it, or name the one with your *.py files"
        )


def check_home(home: Path) -> None:
    """Make the folder. Raises SetupError where that, or writing to it, is not possible."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "up.lock").open("a").close()
    except OSError as error:
        raise SetupError(f"cannot write to {home}: {error.strerror}; set HEADRACE_HOME to another folder") from error
