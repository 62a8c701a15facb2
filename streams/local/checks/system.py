"""Doctor's look at what runs: the API, and through it the processes, and what happened lately."""

import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from pipelines.command import command
from pipelines.requests import LETTERS, ExecutionFilter
from pipelines.views import DeadLetterView, ExecutionRow, HealthView, RoleView, WorkerView
from streams.local import preflight
from streams.local.checks.check import START, Check, Status, unanswered
from streams.local.lockfile import holder
from streams.local.ports import is_free
from streams.local.topics_admin import answers
from streams.settings import Settings
from streams.token import read_token
from ui.client import ApiError, ApiUnavailableError, Client
from ui.parts import formats

SILENT_MS = 5_000
SKEW = 1.0
"""Seconds by which two clocks may differ before due times and leases suffer."""

REASON = 120
"""Characters of a dead letter's reason."""
LATELY = timedelta(hours=1)

ASKED_ABOUT = 10
"""Lost executions, the newest, of which it is asked whether somebody has retried them."""

NAMED = 3
"""Lost executions that are named."""

NAME = 80
"""Characters of a name."""

AWAY = (ApiError, ApiUnavailableError, OSError, ValueError)
"""What asking the API can raise; an OSError where its token cannot be read, too."""

ROLES = ("scheduler", "edge")
"""Roles that the edge must have heard of."""


def ports(settings: Settings) -> Iterator[Check]:
    """Whether each port is ours to listen on, or listens already."""
    running = holder(settings.home)
    if not running and _serves(settings):
        return  # whoever listens was not started by `up`, but in a container, say
    for port in preflight.ports(settings):
        name = f"port {port.number}"
        free = is_free(port.number)
        if running and free:
            mend = (
                f"`up` starts it again where it has ended, and its log in {settings.home}/logs says more; "
                f"where `up` was started with another {port.setting.partition('=')[0]}, set that"
            )
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


def edge(settings: Settings) -> Iterator[Check]:
    """Whether the API serves, and what it knows of all others."""
    try:
        with Client(settings.edge_url, read_token(settings), timeout=5) as client:
            health, apart = _health(client)
            workers, letters = client.workers(), client.dead_letters(limit=LETTERS)
            lost = [*_lost(client, health.at - LATELY)]
    except FileNotFoundError:
        yield Check(name="api", status="warn", detail="has not run here yet: there is no token", mend=START)
        return
    except AWAY as error:
        why = " ".join(str(error.__cause__ or error).split())  # its own advice is not what is to be mended
        silent = isinstance(error.__cause__, httpx.TransportError)
        port = settings.edge_port if silent and holder(settings.home) else None
        log = settings.home / "logs" / "edge.log"
        yield unanswered("api", settings.edge_url, f"{settings.edge_url}: {why}", port, log)
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
    yield from lost
    yield from _letters([one for one in letters if health.at - one.at < LATELY])
    yield _clock(apart)


def _health(client: Client) -> tuple[HealthView, float]:
    """What the API says of itself, and the seconds by which its clock is surely apart, however long it took."""
    asked = datetime.now(UTC)
    health = client.health()
    heard = datetime.now(UTC)
    return health, max((asked - health.at).total_seconds(), (health.at - heard).total_seconds(), 0.0)


def _roles(health: HealthView, logs: Path | None) -> Iterator[Check]:
    """Of several of a kind, the one that is there and spoke last, and beside it those that are missed.

    `logs`: they run on this machine, by `up`, which starts others for those that have ended.
    """

    def has_ended(role: RoleView) -> bool:
        return logs is not None and role.host == socket.gethostname() and not psutil.pid_exists(role.pid)

    heard = {role.role: role for role in sorted(health.roles, key=lambda role: (not has_ended(role), -role.silent_ms))}
    log = f"its log in {logs}" if logs else "its log"
    for name in sorted({*ROLES, *heard}):
        if (role := heard.get(name)) is None:
            mend = f"start one: {command(name)}"
            yield Check(name=name, status="fail", detail="nobody has heard of one", mend=mend)
        else:
            check = _ended(name, role, log) if has_ended(role) else _heard(name, role, log)
            yield check
            if check.status == "ok":
                others = [other for other in health.roles if other.role == name and not has_ended(other)]
                yield from (_missed(name, other) for other in others if other.silent_ms >= SILENT_MS)


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


def _missed(name: str, role: RoleView) -> Check:
    """Another one does its work by now; only a person knows whether there are to be as many as there were."""
    who = f"process {role.pid} on {role.host} silent for {_silence(role)}"
    detail = f"{who}; another one goes on, and nothing waits for this one"
    mend = f"start it again where no supervisor does: {command(name)}; `kill -9 {role.pid}` first where it hangs"
    return Check(name=name, status="warn", detail=detail, mend=mend)


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


def _lost(client: Client, since: datetime) -> Iterator[Check]:
    """What went with its worker and may not run twice: only a person can know whether it did its work.

    What was retried since then needs nobody. Where the history cannot be asked, the API's own problems say so.
    """
    try:
        page = client.executions(ExecutionFilter(state=("lost",), since=since), order="changed", limit=ASKED_ABOUT)
        left = [row for row in page.items if not client.execution(row.execution).retried_as]
    except AWAY:
        return
    older = page.total - len(page.items)
    if left or older:
        number = formats.number_of(len(left) + older, "at-most-once execution")
        newest = ", ".join(map(_named, left[:NAMED])) or "all that are newer were retried"
        yield Check(
            name="lost",
            status="warn",
            detail=f"{'up to ' if older else ''}{number} lost in the last hour, and may have run; the newest: {newest}",
            mend=f"look whether each did its work, and `{command('retry ID')}` what did not; "
            f"`{command('list --state lost --since 1h')}` has all",
        )


def _named(row: ExecutionRow) -> str:
    task, run = (formats.first_line(name, NAME) for name in (row.task, formats.run(row.run)))
    return f"{task} in run {run} (ID {formats.short_id(row.execution)})"


def _clock(apart: float) -> Check:
    if apart < SKEW:
        return Check(name="clock", status="ok", detail=f"{apart * 1000:.0f} ms from the API's")
    return Check(name="clock", status="fail", detail=f"{apart:.0f} s from the API's", mend="synchronise both (NTP)")
