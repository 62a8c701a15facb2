"""The whole of Headrace as its user runs it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from streams.local.ports import free_ports, is_free
from streams.settings import Settings
from ui.client import Client

ROOT = Path(__file__).parents[2]

TASKS = """
import os
import time

from headrace import task

OUT = {out!r}


def say(word, context):
    line = f"{{word}} {{context.execution}} {{context.attempt}} {{time.time()}}\\n".encode()
    file = os.open(OUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)


@task(id="witnessed")
def witnessed(payload, context):
    say("start", context)
    time.sleep(payload or 0)
    say("end", context)
    return context.attempt
"""


class Whole:
    """`headrace up` in a folder of its own, a client of it, and what its tasks say they did."""

    def __init__(self, folder: Path, **settings: object) -> None:
        kafka, edge, dashboard = free_ports(3)
        while not is_free(kafka + 1):
            kafka += 2
        self.folder = folder
        self.witness = folder / "witness"
        tasks = folder / "tasks"
        tasks.mkdir()
        (tasks / "tasks.py").write_text(TASKS.format(out=str(self.witness)))
        named = {
            "home": folder / "home",
            "pipelines_dir": tasks,
            "kafka": f"127.0.0.1:{kafka}",
            "edge_port": edge,
            "edge_url": f"http://127.0.0.1:{edge}",
            "dashboard_port": dashboard,
            **settings,
        }
        self.settings = Settings.model_validate(named)
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
            **{f"HEADRACE_{name.upper()}": str(value) for name, value in named.items()},
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> Client:
        """Start everything and return a client once it is up."""
        process = self._start("up", self._env)
        log = self.folder / "up.log"
        until = time.monotonic() + 120
        while "Ctrl-C stops everything" not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(log.read_text())
            time.sleep(0.1)
        return Client(self.settings.edge_url, (self.settings.home / "api-token").read_text().strip())

    def stop(self) -> None:
        """End all of it."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()

    def said(self) -> list[tuple[str, str, int, float]]:
        """What tasks said: word, execution, attempt, time; in the order in which they said it."""
        words = (line.split() for line in self.witness.read_text().splitlines())
        return [(word, execution, int(attempt), float(at)) for word, execution, attempt, at in words]

    def _start(self, role: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{role}.log").open("ab") as log:
            words = [sys.executable, "-m", "headrace", role]
            process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        self._processes.append(process)
        return process


@contextlib.contextmanager
def whole(folder: Path, **settings: object) -> Iterator[tuple[Whole, Client]]:
    """All of it up while inside."""
    system = Whole(folder, **settings)
    try:
        with system.start() as client:
            yield system, client
    finally:
        system.stop()
