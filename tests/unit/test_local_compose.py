import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.local.broker import Broker
from streams.local.jars import KAFKA
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
CLIENTS = [words for words in (["docker", "compose"], ["docker-compose"]) if shutil.which(words[0])]


def services() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def config(words: list[str], password: str) -> subprocess.CompletedProcess[str]:
    """What a client says of the file; `docker` may have no compose in it."""
    env = {**os.environ, "CLICKHOUSE_PASSWORD": password}
    return subprocess.run([*words, "config"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def works(words: list[str]) -> bool:
    """Whether this client knows compose files."""
    return subprocess.run([*words, "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("client", [words for words in CLIENTS if works(words)], ids=" ".join)
def test_compose_accepts_the_file_and_insists_on_a_password(client: list[str]) -> None:
    """Where there is a client, `config` passes with a password and is refused without one."""
    assert config(client, "secret").returncode == 0
    refused = config(client, "")
    assert refused.returncode != 0
    assert "CLICKHOUSE_PASSWORD" in refused.stderr


def test_the_broker_is_set_up_as_on_one_machine() -> None:
    """The container's Kafka has our broker's version, and its settings wherever it has one."""
    kafka = services()["kafka"]
    ours = Broker(Path("unused"), 9092, 9093).properties()
    names = {name: name.removeprefix("KAFKA_").lower().replace("_", ".") for name in kafka["environment"]}
    places = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    theirs = {name: str(kafka["environment"][key]) for key, name in names.items() if name not in places}
    assert theirs == {name: ours[name] for name in theirs}
    assert kafka["image"].endswith(f":{KAFKA}")


def test_every_setting_of_the_containers_is_one_of_ours() -> None:
    """A mistyped HEADRACE_ variable would be ignored without a word."""
    used = {name for service in services().values() for name in service.get("environment", {})}
    ours = {name.removeprefix("HEADRACE_").lower() for name in used if name.startswith("HEADRACE_")}
    assert ours
    assert ours <= set(Settings.model_fields)


def test_nothing_listens_beyond_this_machine() -> None:
    """Every published port is bound to the loopback."""
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_ends_by_itself_is_not_started_again() -> None:
    """A file that cannot be loaded ends `load` with 1: tried again, it would register everything for ever."""
    assert {services()[name]["restart"] for name in ("topics", "examples")} == {"no"}


def test_the_worker_s_container_allows_the_sandbox() -> None:
    """Namespaces, and a /proc of its own, for which the container's may not be masked; no other container does."""
    allowed = {name: service["security_opt"] for name, service in services().items() if "security_opt" in service}
    assert list(allowed) == ["worker"]
    assert {"seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"} == set(allowed["worker"])


def test_process_1_of_each_role_reaps() -> None:
    """What a task leaves behind becomes a child of process 1, and a role does not wait for such children."""
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    (entrypoint,) = (line.removeprefix("ENTRYPOINT ") for line in lines if line.startswith("ENTRYPOINT "))
    (packages,) = (line for line in lines if "apt-get install" in line)
    assert json.loads(entrypoint) == ["tini", "--", "headrace"]
    assert "tini" in packages.split()
    assert not any("entrypoint" in service for service in services().values())
