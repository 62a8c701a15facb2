"""What is measured: rows in the history, times from the history, CPU from the operating system."""

import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pipelines.command import command
from pipelines.environment import PREFIX
from ui.client import Client

SHORTEST, LONGEST = 0.1, 2.0
"""Seconds between two looks at the history: half the time that seems to be left, as looking costs what is measured."""

SHARE = 2
"""After a look that took long the pause may be so many times as long: what seems to be left is a guess at first."""

GLANCE = 0.25
"""Seconds between two looks at the pools meanwhile, which cost little: once no worker has anything to do any more, the
rest of a pause would count as work."""

GIVE_UP = 120.0
"""Seconds without a new row after which a measurement has failed."""

LOOK = 2.0
"""Seconds over which is looked whether a system is quiet."""

QUIET = 0.25
"""The share of a core that a quiet one takes at most."""

QUIET_WITHIN = 180.0
"""Seconds after which it is not waited for any longer."""

COUNT = "SELECT count(), uniqExact(execution) FROM executions WHERE run IN {{runs:Array(String)}} AND {which}"
ENDED = "state = 'succeeded'"
LATENCY = """
SELECT quantileExact(0.5)(ms), quantileExact(0.99)(ms), max(ms)
FROM (
    SELECT date_diff('millisecond', created_at, started_at) AS ms FROM executions WHERE run IN {runs:Array(String)}
)
"""


class MeasurementError(Exception):
    """What was submitted did not all arrive."""


def wait_for_rows(
    client: Client,
    runs: list[str],
    count: int,
    progress: Callable[[int], None],
    *,
    which: str = ENDED,
    patience: float = GIVE_UP,
) -> int:
    """Wait until `count` executions of the runs stand in the history, each once, `which` they are; returns the rows.

    Raises MeasurementError where none arrives for `patience` seconds.
    """
    begun = seen_at = time.monotonic()
    seen, pools = -1, Pools(client)
    while True:
        asked = time.monotonic()
        rows, distinct = rows_of(client, runs, which)
        progress(rows)
        if distinct >= count:
            return rows
        now = time.monotonic()
        if rows > seen:
            seen, seen_at = rows, now
        if now - seen_at > patience:
            raise MeasurementError(
                f"{count - distinct:,} of {count:,} executions are missing in the history, and none has come for "
                f"{patience:.0f} s; `{command('doctor')}` says what is wrong"
            )
        left = (now - begun) * (count - distinct) / max(distinct, 1)
        pools.rest(max(SHORTEST, min(left / 2, max(LONGEST, SHARE * (now - asked)))))


class Pools:
    """Pauses, of which one ends early where workers had something to do and have nothing more."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._was_busy = False

    def rest(self, seconds: float) -> None:
        """For so long at most."""
        until = time.monotonic() + seconds
        time.sleep(min(seconds, SHORTEST))
        while (left := until - time.monotonic()) > 0 and not self._idle():
            time.sleep(min(left, GLANCE))

    def _idle(self) -> bool:
        worked = [pool for pool in self._client.pools() if pool.workers]  # what waits for nobody is not work
        busy = any(sum(pool.waiting) or any(worker.held for worker in pool.workers) for pool in worked)
        over, self._was_busy = self._was_busy and not busy, busy
        return over


def rows_of(client: Client, runs: list[str], which: str = ENDED) -> tuple[int, int]:
    """How many rows of the runs the history has, and of how many executions."""
    rows, distinct = client.sql(COUNT.format(which=which), {"runs": list(runs)}).rows[0]
    return int(str(rows)), int(str(distinct))


def latency(client: Client, runs: list[str]) -> dict[str, float]:
    """Milliseconds from submission to the start of the task's code."""
    p50, p99, top = client.sql(LATENCY, {"runs": list(runs)}).rows[0]
    return {"p50": float(str(p50)), "p99": float(str(p99)), "max": float(str(top))}


def cpu_by_role(client: Client) -> dict[str, float]:
    """CPU seconds used so far by each role and its children, by Kafka where it is ours, and by this client."""
    used = {"client": sum(os.times()[:2])}
    for role in client.health().roles:
        if role.pid and (process := _process(role.pid)):
            used[role.role] = used.get(role.role, 0.0) + _family_cpu(process)
            if role.role == "scheduler" and (kafka := _kafka_beside(process)):
                used["kafka"] = _own_cpu(kafka)
    return used


def per_thousand(before: dict[str, float], after: dict[str, float], executions: int) -> dict[str, float]:
    """CPU seconds per 1,000 executions, by role."""
    spent = {role: after[role] - before.get(role, 0.0) for role in sorted(after)}
    shares = {role: round(seconds * 1000 / executions, 3) for role, seconds in spent.items()}
    return shares | {"all": round(sum(shares.values()), 3)}


def until_quiet(client: Client, within: float = QUIET_WITHIN) -> bool:
    """Wait until what work leaves behind is done too, merges above all; false: it was not within so many seconds."""
    begun = time.monotonic()
    before = cpu_by_role(client)
    while time.monotonic() - begun < within:
        time.sleep(LOOK)
        after = cpu_by_role(client)
        if sum(after[role] - before.get(role, 0.0) for role in after if role != "client") < LOOK * QUIET:
            return True
        before = after
    return False


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _family_cpu(process: psutil.Process) -> float:
    return _own_cpu(process) + sum(_own_cpu(child) for child in process.children(recursive=True))


def _own_cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _kafka_beside(scheduler: psutil.Process) -> psutil.Process | None:
    """The broker that the same supervisor started for it; its last argument is its configuration."""
    parent, home = scheduler.parent(), Path(scheduler.environ().get(f"{PREFIX}HOME", "/"))
    brokers = [p for p in parent.children() if "kafka.Kafka" in p.cmdline()] if parent else []
    return next((p for p in brokers if home in Path(p.cmdline()[-1]).parents), None)
