"""Headrace and other task queues on this machine, the same no-op tasks: `python benchmarks/peers.py`.

    [--executions 20000] [--runs 5] [--only "headrace; Celery; ..."] [--fsync everysec|always|no] [--output table|json]

Each peer gets a Redis of its own (Debian's redis-server, on a free loopback port, in a temporary folder), two worker
processes, payloads of 1 KB, its result backend, and a client that submits as fast as its API allows. A run is over when
every task's result stands in Redis; Headrace's, when every execution's row stands in ClickHouse. Packages come from
PyPI into an environment in a temporary folder. What each side does beside running tasks stands below the table.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

from streams.bench.run import WARM_UP
from streams.local.ports import free_ports, listens

PACKAGES = ["taskiq==0.13.0", "taskiq-redis==1.2.4", "celery[redis]==5.7.0", "dramatiq[redis]==2.2.1", "huey==3.5.4"]
APPS = Path(__file__).with_name("peer_apps")
HEADRACE = "headrace"
WORKERS = "2"
SETTLE = 3.0
"""Seconds in which a peer's workers come up; the warm-up waits for them if they take longer."""


class Peer(NamedTuple):
    """How a peer's workers are started, and what it does as it is set up here."""

    app: str
    worker: tuple[str, ...]
    durable: str
    history: str
    priorities: str
    dependencies: str
    kind: str = ""
    """Where an app has several brokers: which."""


PEERS = {
    "taskiq, list": Peer(
        "taskiq_app",
        ("taskiq", "worker", "taskiq_app:list_broker", "--workers", WORKERS, "--log-level", "WARNING"),
        "no: a task that a worker took is lost with it",
        "none: results only",
        "none",
        "none (a package beside it)",
        "list",
    ),
    "taskiq, stream": Peer(
        "taskiq_app",
        ("taskiq", "worker", "taskiq_app:stream_broker", "--workers", WORKERS, "--log-level", "WARNING"),
        "at least once: what a lost worker had is claimed by another",
        "none: results only",
        "none",
        "none (a package beside it)",
        "stream",
    ),
    "Celery": Peer(
        "celery_app",
        ("celery", "-A", "celery_app", "worker", "-c", WORKERS, "--loglevel", "ERROR"),
        "at most once (its default, early acknowledgement)",
        "none: results for a day",
        "several lists, roughly, where asked for",
        "chains, groups, chords",
    ),
    "Dramatiq": Peer(
        "dramatiq_app",
        ("dramatiq", "dramatiq_app", "--processes", WORKERS),
        "at least once",
        "none: results for ten minutes",
        "inside a worker process",
        "pipelines, groups",
    ),
    "Huey": Peer(
        "huey_app",
        ("huey_consumer", "huey_app.huey", "-k", "process", "-w", WORKERS, "-q"),
        "no: a task that a worker took is lost with it",
        "none: results until they are read",
        "by another kind of queue",
        "pipelines",
    ),
}
OURS = Peer(
    "", (), "at least once, or at most once where asked for", "all steps, in SQL", "strict, ten", "by trigger rule"
)


def main() -> None:
    """Measure all that was asked for, and print."""
    names = [HEADRACE, *PEERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=";".join(names), help=f"some of, with ; between: {'; '.join(names)}")
    parser.add_argument("--fsync", choices=["everysec", "always", "no"], default="everysec", help="of Redis's log")
    parser.add_argument("--output", "-o", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    wanted = [name.strip() for name in arguments.only.split(";")]
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"there is no {unknown[0]!r}; choose from: {'; '.join(names)}")
    if not shutil.which("redis-server"):
        parser.error("redis-server is missing: `apt-get install redis-server` brings it")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in wanted}
    for _ in range(arguments.runs):  # in turn, as the machine's speed drifts
        for name in wanted:
            found[name].append(measure(name, arguments))
    if arguments.output == "json":
        print(json.dumps(found, indent=2))
    else:
        show(found, arguments)


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One run of one of them: tasks a second, and CPU seconds for 1,000 of all processes."""
    print(f"{name}, {arguments.executions:,} tasks ...", file=sys.stderr)
    if name == HEADRACE:
        return measure_headrace(arguments.executions)
    return measure_peer(PEERS[name], environment(), arguments.executions, arguments.fsync)


def measure_headrace(executions: int) -> dict[str, float]:
    """By its own command, in a system of its own."""
    words = [sys.executable, "-m", "headrace", "bench", "throughput", "--executions", str(executions)]
    said = subprocess.run([*words, "-o", "json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    figures = json.loads(said)
    return {"per_second": figures["executions_per_second"], "cpu_per_1000": figures["cpu_seconds_per_1000"]["all"]}


def measure_peer(peer: Peer, python: Path, executions: int, fsync: str) -> dict[str, float]:
    """Its client beside its workers beside a Redis."""
    with redis_server(fsync) as (server, url), workers(peer, python, url) as boss:
        client(peer, python, url, WARM_UP)
        before = spent(server) + spent(boss)
        found = client(peer, python, url, executions)
        used = spent(server) + spent(boss) - before + found["cpu"]
    return {"per_second": round(executions / found["seconds"]), "cpu_per_1000": round(used * 1000 / executions, 3)}


def client(peer: Peer, python: Path, url: str, count: int) -> dict[str, Any]:
    """Run it to its end; what it printed."""
    words = [str(python), f"{peer.app}.py", str(count), peer.kind]
    return json.loads(subprocess.run(words, cwd=APPS, env=env(url), check=True, stdout=subprocess.PIPE).stdout)


@contextmanager
def redis_server(fsync: str) -> Iterator[tuple[psutil.Process, str]]:
    """A server of its own, which logs every write; and its address."""
    (port,) = free_ports(1)
    log = ["--appendonly", "no"] if fsync == "no" else ["--appendonly", "yes", "--appendfsync", fsync]
    with tempfile.TemporaryDirectory(prefix="headrace-peers-redis-") as folder:
        words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", *log]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            while not listens(f"127.0.0.1:{port}"):
                time.sleep(0.05)
            yield psutil.Process(process.pid), f"redis://127.0.0.1:{port}/0"
        finally:
            end(process)


@contextmanager
def workers(peer: Peer, python: Path, url: str) -> Iterator[psutil.Process]:
    """The peer's worker processes; the one that started the others."""
    command = [str(python.with_name(peer.worker[0])), *peer.worker[1:]]
    if not Path(command[0]).exists():
        command[0] += ".py"
    process = subprocess.Popen(command, cwd=APPS, env=env(url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE)
        if process.poll() is not None:
            sys.exit(f"the workers of {peer.app} ended with status {process.returncode}: {' '.join(command)}")
        yield psutil.Process(process.pid)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it and what it started where it does not."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.kill()
    process.wait()


def env(url: str) -> dict[str, str]:
    """Of a peer's processes."""
    return {**os.environ, "PEER_REDIS": url, "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1"}


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process and all it started."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


_made: dict[str, Any] = {}


def environment() -> Path:
    """The Python of an environment with the peers in it, made once and removed at the end."""
    if "python" not in _made:
        print(f"Bringing {', '.join(PACKAGES)} from PyPI ...", file=sys.stderr)
        folder = _made["folder"] = tempfile.TemporaryDirectory(prefix="headrace-peers-")
        subprocess.run([sys.executable, "-m", "venv", folder.name], check=True)
        python = _made["python"] = Path(folder.name, "bin", "python")
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True
        )
    return _made["python"]


def show(found: dict[str, list[dict[str, float]]], arguments: argparse.Namespace) -> None:
    """Two tables: the figures, and what is done for them."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    figures = Table(
        title=f"{arguments.executions:,} no-op tasks of 1 KB, {arguments.runs} runs, {os.cpu_count()} cores"
    )
    for column in ("", "tasks/s: min", "median", "max", "CPU s per 1,000 (median)"):
        figures.add_column(column, justify="right" if column else "left")
    for name, runs in found.items():
        rates, cpu = [run["per_second"] for run in runs], statistics.median(run["cpu_per_1000"] for run in runs)
        figures.add_row(
            name, *(f"{rate:,.0f}" for rate in (min(rates), statistics.median(rates), max(rates))), str(cpu)
        )
    console.print(figures)
    does = Table(title="What each does, as it is set up here", show_lines=True)
    for column in ("", "a task survives its worker", "history", "priorities", "dependencies"):
        does.add_column(column)
    for name in found:
        peer = PEERS.get(name, OURS)
        does.add_row(name, peer.durable, peer.history, peer.priorities, peer.dependencies)
    console.print(does)
    log = (
        "keeps no log: all is lost with it" if arguments.fsync == "no" else f"logs every write, fsync {arguments.fsync}"
    )
    console.print(
        f"Peers: Redis {log}; {WORKERS} worker processes each. Headrace: Kafka acknowledges every write. "
        f"Each after a warm-up of {WARM_UP:,}, by the quickest that its API has: Celery, Dramatiq and Huey submit one "
        "by one, taskiq a hundred at once, Headrace in bulk."
    )


if __name__ == "__main__":
    main()
