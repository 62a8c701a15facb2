"""Disks that are full: Kafka's, the tables' of one scheduler, ClickHouse's; each on a small file system of its own.

Needs root and loop devices. While a disk is full somebody submits and asks by HTTP, twice a second.
"""

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from pipelines.events import SubmitEvent
from pipelines.model import SleepTask
from streams.local.errors import SetupError
from streams.token import read_token
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt, until_up, wait
from tests.chaos.stage import Stage, Strike, note
from tests.chaos.system import System, system

DISKS = {"kafka": 400, "state": 150, "clickhouse": 400}
"""Folders of `home`, and megabytes."""

CALM, FULL = 6.0, 20.0
"""Seconds before a disk is full, and for which it stays so."""

PATIENCE = 20.0
EVERY = 0.5


@dataclass
class Caller:
    """Submits and asks by HTTP; what was answered in each phase, by status ("no answer" where there was none)."""

    system: System
    phase: str = ""
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Call until told to stop."""
        here = self.system.settings
        headers = {"Authorization": f"Bearer {read_token(here)}"}
        with httpx.Client(base_url=here.edge_url, headers=headers, trust_env=False, timeout=PATIENCE) as http:
            for number in range(10**9):
                if stop.wait(EVERY):
                    return
                event = SubmitEvent(task=SleepTask(id=f"call-{number}", seconds=0), run="calls")
                body = {"content": event.model_dump_json(), "headers": {"content-type": "application/json"}}
                self._ask("submit", lambda body=body: http.post("/v1/events", **body))
                self._ask("read", lambda: http.get("/v1/executions", params={"limit": 1}))

    def _ask(self, what: str, call: Callable[[], httpx.Response]) -> None:
        phase = self.phase
        try:
            answer = str(call().status_code)
        except httpx.TransportError:
            answer = "no answer"
        self.answers.setdefault(f"{phase}: {what}", Counter())[answer] += 1


def full(stage: Stage, _seed: int, _seconds: float) -> dict[str, Hunt]:
    """One disk after the other."""
    return {"disk": _hunt(stage)}


def _hunt(stage: Stage) -> Hunt:
    caller, stop = Caller(stage.system), threading.Event()
    stage.extras["caller"] = caller
    thread = threading.Thread(target=caller.run, args=(stop,))
    thread.start()
    try:
        while True:
            for name in DISKS:
                caller.phase = "calm"
                yield from wait(CALM)
                yield from _filled(stage, caller, name)
    finally:
        stop.set()
        thread.join()


def _filled(stage: Stage, caller: Caller, name: str) -> Hunt:
    ballast, deadline = stage.system.settings.home / name / "ballast", time.monotonic() + FULL
    caller.phase = f"{name} full"
    strike = note(stage, "fill", name, name)
    try:
        while time.monotonic() < deadline:
            _fill(ballast)
            yield from wait(1.0)
    finally:
        ballast.unlink(missing_ok=True)
    yield from _back(stage, caller, name, strike)


def _back(stage: Stage, caller: Caller, name: str, strike: Strike) -> Hunt:
    """Until there is room, all is up, and a submission is accepted."""
    caller.phase = f"{name} has room again"
    room = note(stage, "empty", name, name)
    yield from until_up(stage.system.supervisor.children)
    while not caller.answers.get(f"{caller.phase}: submit", Counter())["202"]:
        yield
    strike.end()
    room.end()


def _fill(ballast: Path) -> None:
    """Take whatever room there is."""
    with ballast.open("ab", buffering=0) as file:
        for size in (2**20, 4096):
            with suppress(OSError):
                while file.write(b"\xff" * size):
                    pass


@contextmanager
def on_small_disks(say: Callable[[str], None]) -> Iterator[System]:
    """A system three of whose folders are small disks."""
    if os.geteuid() != 0:
        raise SetupError("small disks are loop devices, and only root can make them")
    with TemporaryDirectory(prefix="headrace-disks-") as images, ExitStack() as mounts:

        def prepare(home: Path) -> None:
            for name, megabytes in DISKS.items():
                mounts.enter_context(_disk(Path(images) / name, megabytes, home / name))

        with system(say, prepare=prepare, dismantle=mounts.close) as tormented:
            yield tormented


@contextmanager
def _disk(image: Path, megabytes: int, at: Path) -> Iterator[None]:
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    at.mkdir(parents=True)
    _do("mkfs.ext4", "-q", "-m", "0", str(image))
    _do("mount", "-o", "loop", str(image), str(at))
    try:
        (at / "lost+found").rmdir()
        yield
    finally:
        _do("umount", str(at))


def _do(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"{' '.join(words)}: {done.stderr.strip()[:300]}")


def what_was_answered(stage: Stage, _found: Evidence) -> dict[str, Any]:
    """HTTP statuses by phase, and how long each disk's return took."""
    caller: Caller = stage.extras["caller"]
    answers = {phase: dict(counted) for phase, counted in caller.answers.items()}
    returns: dict[str, list[float]] = {name: [] for name in DISKS}
    for strike in stage.strikes:
        if strike.what == "empty" and strike.over < inf:
            returns[strike.name].append(round((strike.over - strike.at) / 1000, 1))
    return {"answers": answers, "back_after_s": returns}
