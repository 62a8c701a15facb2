"""The newest word of every pool and process, as they write it to the status topic about once a second."""

import time
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from pipelines.views import PoolView, WorkerView

SILENT_AFTER = 10_000
"""Milliseconds after which a pool's or a process's word is old news."""

FORGOTTEN_AFTER = 10 * 60_000
"""Milliseconds after which a process that says nothing is no longer named."""


class WorkerStatus(Struct):
    """A worker, as its pool's dispatcher sees it. Times are epoch milliseconds."""

    worker: str
    pool: str = ""
    host: str = ""
    pid: int = 0
    version: str = ""
    lane: int | None = None
    slots: int = 0
    running: int = 0
    held: int = 0
    draining: bool = False
    seen_at: int = 0

    def view(self, now: int) -> WorkerView:
        """For people."""
        fields = msgspec.structs.asdict(self)
        del fields["seen_at"]
        lane = self.lane if self.lane is not None and self.lane >= 0 else None
        return WorkerView(**fields | {"lane": lane}, silent_ms=max(now - self.seen_at, 0))


class PoolStatus(Struct):
    """A pool, as its dispatcher sees it; `waiting` counts by priority."""

    pool: str
    at: int
    waiting: tuple[int, ...] = (0,) * 10
    oldest_ready_at: int | None = None
    slots: int = 0
    running: int = 0
    workers: tuple[WorkerStatus, ...] = ()

    def view(self, now: int) -> PoolView:
        """For people."""
        return PoolView(
            pool=self.pool,
            at=moment(self.at),
            waiting=self.waiting,
            oldest_wait_ms=max(now - self.oldest_ready_at, 0) if self.oldest_ready_at and sum(self.waiting) else None,
            slots=self.slots,
            running=self.running,
            workers=tuple(w.view(now) for w in self.workers),
        )


class RoleStatus(Struct):
    """A process of ours; `since`: it began."""

    role: str
    at: int
    since: int = 0
    name: str = ""
    pid: int = 0
    host: str = ""


_pool = msgspec.json.Decoder(PoolStatus).decode
_role = msgspec.json.Decoder(RoleStatus).decode


class Board:
    """Pools by name, and processes by the key under which they write."""

    def __init__(self) -> None:
        self.pools: dict[str, PoolStatus] = {}
        self.roles: dict[str, RoleStatus] = {}

    def put(self, key: str, value: bytes | None) -> None:
        """Take a message of the status topic; no value means that its writer is gone."""
        kind, _, name = key.partition("/")
        if value is None:
            self.pools.pop(name, None) if kind == "pool" else self.roles.pop(key, None)
        elif kind == "pool":
            self.pools[name] = _pool(value)
        elif kind == "role":
            word = _role(value)
            self.roles = {k: r for k, r in self.roles.items() if word.at - r.at < FORGOTTEN_AFTER} | {key: word}

    def pool_views(self) -> tuple[PoolView, ...]:
        """All pools, by name."""
        now = now_ms()
        return tuple(self.pools[name].view(now) for name in sorted(self.pools))


def now_ms() -> int:
    """The present, in epoch milliseconds."""
    return round(time.time() * 1000)


def moment(ms: int) -> datetime:
    """Epoch milliseconds as an aware time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def maybe(ms: int) -> datetime | None:
    """The same, where 0 means that it has not happened."""
    return moment(ms) if ms else None
