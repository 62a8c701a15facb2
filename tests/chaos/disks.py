"""Disks that are full: Kafka's, the tables' of one scheduler, ClickHouse's; each on a small file system of its own.

Needs root and loop devices. While a disk is full somebody submits and asks by HTTP, twice a second.
"""

import os
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streams.local.errors import SetupError
from tests.chaos.calls import Caller, calling
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Hunt, until_up, wait
from tests.chaos.stage import Stage, Strike, note
from tests.chaos.system import System, system

DISKS = {"kafka": 400, "state": 150, "clickhouse": 400}
"""Folders of `home`, and megabytes."""

CALM, FULL = 6.0, 20.0
"""Seconds before a disk is full, and for which it stays so."""

EVERY = 0.5
"""Seconds between two rounds of calls."""


def full(stage: Stage, _seed: int, _seconds: float) -> dict[str, Hunt]:
    """One disk after the other."""
    return {"disk": _hunt(stage)}


def _hunt(stage: Stage) -> Hunt:
    caller = Caller(stage.system, _submit_and_read, EVERY)
    stage.extras["caller"] = caller
    with calling([caller]):
        while True:
            for name in DISKS:
                caller.phase = "calm"
                yield from wait(CALM)
                yield from _filled(stage, caller, name)


def _submit_and_read(caller: Caller, number: int) -> None:
    caller.submit(number)
    caller.ask("read", "GET", "/v1/executions", params={"limit": 1})


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
    while not caller.was_served("submit"):
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
    """What HTTP answered by phase, and how long each disk's return took."""
    caller: Caller = stage.extras["caller"]
    answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for call in caller.calls:
        answers[f"{call.phase}: {call.what}"][call.answers[-1]] += 1
    returns: dict[str, list[float]] = {name: [] for name in DISKS}
    for strike in stage.strikes:
        if strike.what == "empty" and strike.over < inf:
            returns[strike.name].append(round((strike.over - strike.at) / 1000, 1))
    return {"answers": {phase: dict(counted) for phase, counted in answers.items()}, "back_after_s": returns}
