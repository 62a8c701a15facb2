import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.local.cluster import local_settings, running
from streams.local.errors import STARTED, SetupError, last_lines
from streams.local.lockfile import holder, only_one
from streams.local.ports import free_ports, is_free, listens
from streams.local.preflight import (
    Port,
    check_disk,
    check_folder,
    check_home,
    check_pipelines,
    check_ports,
    kafka_is_ours,
    kafka_port,
    ports,
)
from streams.local.supervisor import Supervisor
from streams.settings import Settings, SettingsError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_told_from_a_free_one(taken: int) -> None:
    """Listening is found by both questions, and a free port by both."""
    assert not is_free(taken)
    assert listens(f"127.0.0.1:{taken}")
    free = free_ports(1)[0]
    assert is_free(free)
    assert not listens(f"127.0.0.1:{free}")


def test_free_ports_differ() -> None:
    """No port is given twice."""
    assert len(set(free_ports(20))) == 20


def test_a_taken_port_is_one_clear_line(taken: int) -> None:
    """It names the port, its use, the process that has it, and the setting to change."""
    with pytest.raises(
        SetupError, match=rf"port {taken} \(the API\) is taken by .*\d+\); set e.g. HEADRACE_EDGE_PORT=1"
    ):
        check_ports([Port(taken, "the API", "HEADRACE_EDGE_PORT=1")], patience=0)


def test_every_port_has_a_setting(tmp_path: Path) -> None:
    """Kafka takes two ports where it is ours, and none where it is someone else's."""
    here = Settings(home=tmp_path, kafka="127.0.0.1:9092")
    there = Settings(home=tmp_path, kafka="one.example:9092,two.example:9092")
    assert [port.number for port in ports(here)][:2] == [9092, 9093]
    assert {port.use for port in ports(there)} == {"the API", "the dashboard"}
    assert kafka_is_ours(here)
    assert not kafka_is_ours(there)
    assert (kafka_port(here), kafka_port(there)) == (9092, None)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """It names the folder and the way out."""
    with pytest.raises(SetupError, match=r"free on the disk of .* set HEADRACE_HOME"):
        check_disk(tmp_path, least=10**18)
    check_disk(tmp_path, least=1)


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot write to .*; set HEADRACE_HOME"):
        check_home(tmp_path / "file")


def test_a_folder_of_pipelines_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    """The variable and the folder are named, and the examples do not take its place; unnamed, they do."""
    named = local_settings(Settings(home=tmp_path, pipelines_dir=tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"HEADRACE_PIPELINES_DIR names .*/nowhere, and there is no such folder"):
        check_pipelines(named)
    check_pipelines(local_settings(Settings(home=tmp_path)))
    check_pipelines(Settings(home=tmp_path, pipelines_dir=tmp_path))


def test_a_file_in_place_of_the_folder_is_told_its_folder(tmp_path: Path) -> None:
    """Nobody is asked to make what is there."""
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(SettingsError, match=rf"mine.py, and that is a file: name its folder, {tmp_path}$"):
        check_folder(tmp_path / "mine.py", "the command names")


def test_who_is_refused_does_not_hear_of_a_start(tmp_path: Path, taken: int) -> None:
    """A port that is taken, or a second instance, is found before anything is said to start."""
    lines = list[str]()
    settings = Settings(home=tmp_path, kafka="one.example:9092", edge_port=taken)
    supervisor = Supervisor(lines.append)
    with pytest.raises(SetupError, match="is taken"), running(settings, lines.append, supervisor):
        raise AssertionError
    assert lines == []


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    """Another process is told who holds the folder; when that one is gone, the folder is free."""
    script = (
        "import pathlib, sys\nfrom streams.local.lockfile import only_one\n"
        "with only_one(pathlib.Path(sys.argv[1])): print('mine')"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with only_one(tmp_path):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "runs already in" in second.stderr
        assert holder(tmp_path)
    assert holder(tmp_path) is None
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "mine\n"


def test_the_url_follows_the_port(tmp_path: Path) -> None:
    """Who changes the API's port alone gets a URL that fits; who names a URL keeps it."""
    assert local_settings(Settings(home=tmp_path, edge_port=9999)).edge_url == "http://127.0.0.1:9999"
    named = Settings(home=tmp_path, edge_port=9999, edge_url="http://example:1")
    assert local_settings(named).edge_url == "http://example:1"


def test_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    """The last lines, indented; nothing where there is no file."""
    log = tmp_path / "x.log"
    assert last_lines(log) == ""
    log.write_text("\n".join(str(n) for n in range(100)))
    assert last_lines(log, 2) == "\n    98\n    99"
    log.write_text(f"--- started at a ---\nTraceback\n{STARTED} b ---\n")
    assert last_lines(log) == ""
    log.write_text(f"{log.read_text()}no port\n")
    assert last_lines(log) == "\n    no port"
