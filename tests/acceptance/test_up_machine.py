"""`headrace up` as a person meets it: real processes, real Kafka, real ClickHouse."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from streams.local.ports import free_ports, is_free

ROOT = Path(__file__).parents[2]
IN_BACKGROUND = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
"""A shell has what it starts with `&` ignore SIGINT."""

pytestmark = pytest.mark.timeout(300)


def neighbours() -> int:
    """A free port whose next one is free too: Kafka's and its controller's."""
    return next(port for port in iter(lambda: free_ports(1)[0], None) if is_free(port + 1))


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine of its own: a home, and free ports."""
    edge, dashboard = free_ports(2)
    mine = {
        "HEADRACE_HOME": str(tmp_path / "home"),
        "HEADRACE_KAFKA": f"127.0.0.1:{neighbours()}",
        "HEADRACE_EDGE_PORT": str(edge),
        "HEADRACE_DASHBOARD_PORT": str(dashboard),
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return {**others, **mine}


def left_over(env: dict[str, str]) -> list[psutil.Process]:
    """Processes of that home that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = env["HEADRACE_HOME"] in " ".join(process.cmdline()) + process.environ().get("HEADRACE_HOME", "")
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def nothing_is_left(env: dict[str, str]) -> None:
    """Wait until no process of that home runs."""
    end = time.monotonic() + 30
    while left := left_over(env):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def command(*words: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "headrace", *words]


@contextmanager
def staying_up(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`headrace up` in the state in which it waits for Ctrl-C, started as a script starts it in the background."""
    with subprocess.Popen(
        IN_BACKGROUND + command("up"), cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "Ctrl-C stops everything" in line:
                    break
            else:
                pytest.fail("".join(lines))
            yield process
        finally:
            process.kill()
            nothing_is_left(env)


def test_a_newcomer_sees_a_real_run_and_its_result(env: dict[str, str]) -> None:
    """`up --once` ends with 0 when the example's result was printed from ClickHouse, and leaves only data."""
    done = subprocess.run(command("up", "--once"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running weather" in done.stdout
    assert "from ClickHouse: SELECT * FROM weather_report" in done.stdout
    assert "Made 10 topics" in done.stdout
    assert f"Its picture: {env['HEADRACE_HOME']}/artifacts/weather.svg\nStopping ..." in done.stdout, done.stdout
    assert done.stdout.endswith(f"Stopped. The data stays in {env['HEADRACE_HOME']} for the next start.\n")
    nothing_is_left(env)

    with staying_up(env) as again:  # the data is still there: topics are not made again
        second = subprocess.run(command("up"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"(process {again.pid})" in second.stderr
        again.send_signal(signal.SIGINT)
        assert again.stdout
        rest = again.stdout.read()
        assert again.wait(60) == 0
        assert "The data stays in" in rest


def test_who_stops_it_hears_what_becomes_of_running_tasks(env: dict[str, str]) -> None:
    """How long they are waited for, and which of them will run again."""
    env |= {"HEADRACE_DRAIN_TIMEOUT": "1"}
    words = ("submit", "shell", "sleep 600", "--id", "long")
    with staying_up(env) as process:
        subprocess.run(command(*words), cwd=ROOT, env=env, check=True)
        listed = command("list", "--state", "running", "-o", "json")
        while b'"long"' not in subprocess.run(listed, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE).stdout:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout
        rest = process.stdout.read()
    assert re.search(r"^Stopping: up to 1 s are left to the task long \(\w+\) \.\.\.$", rest, re.MULTILINE)
    again = r"^Stopped the worker: the task long \(\w+\) will run again after the next start\.$"
    assert re.search(again, rest, re.MULTILINE)


def test_nothing_is_left_when_up_is_killed(env: dict[str, str]) -> None:
    """Kill -9 of the supervisor ends every process that it had started, and theirs."""
    with staying_up(env) as process:
        assert len(left_over(env)) > 5
        process.kill()
        nothing_is_left(env)


def test_once_without_the_example_is_one_clear_line(env: dict[str, str], tmp_path: Path) -> None:
    """A folder of one's own has nothing that it could run: nothing is started."""
    env = {**env, "HEADRACE_PIPELINES_DIR": str(tmp_path)}
    done = subprocess.run(command("up", "--once"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"headrace up: --once runs the example 'weather', which is not in {tmp_path}\n"
    assert not Path(env["HEADRACE_HOME"]).exists()


def test_a_taken_port_is_one_clear_line(env: dict[str, str]) -> None:
    """Before anything is started, the port, who has it and the setting to change are named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(env["HEADRACE_EDGE_PORT"])))
        listener.listen()
        done = subprocess.run(command("up"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"port {env['HEADRACE_EDGE_PORT']} (the API) is taken" in done.stderr
    assert "HEADRACE_EDGE_PORT=" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (Path(env["HEADRACE_HOME"]) / "kafka").exists()
