"""What the processes of a system of ours take: memory by role, sampled while something is measured, and disk."""

import contextlib
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from streams.bench.system import System

MB = 1_000_000
LEAST_FREE = 10_000_000_000
"""Bytes of disk at which a measurement stops by itself."""

PART = re.compile(r"^(.+)_(\d+)_(\d+)_(\d+)(?:_\d+)?$")
"""A part's folder: its partition, the first and the last block in it, and how often it was merged."""


class Memory(NamedTuple):
    """Megabytes: resident, and with what is shared counted by halves."""

    rss: int
    pss: int


def memory(here: System) -> dict[str, Memory]:
    """By role, with all its children."""
    children = here.supervisor.children if here.supervisor else []
    return {child.role.name: _family(child.process.pid) for child in children if child.process}


def _family(pid: int) -> Memory:
    rss = pss = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                rss += one.memory_info().rss
                pss += _pss(one.pid)
    return Memory(round(rss / MB), round(pss / MB))


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def looking(look: Callable[[], None], every: float) -> Iterator[None]:
    """Look in a thread while inside: at once, then every so many seconds, and a last time when left."""
    over = threading.Event()

    def go_on() -> None:
        look()
        while not over.wait(every):
            look()
        look()

    thread = threading.Thread(target=go_on, name="looking")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def most_memory(here: System, every: float = 2.0) -> Iterator[dict[str, Memory]]:
    """The most of each role while inside, by resident size; complete when left."""
    most: dict[str, Memory] = {}

    def look() -> None:
        for role, now in memory(here).items():
            most[role] = max(now, most.get(role, now))

    with looking(look, every):
        yield most


def as_figures(sizes: dict[str, Memory]) -> dict[str, dict[str, int]]:
    """For a table or JSON."""
    return {role: {"rss_mb": size.rss, "pss_mb": size.pss} for role, size in sizes.items()}


def disk(here: System) -> dict[str, int]:
    """Bytes on disk by part: each Kafka topic, RocksDB (a standby's too), ClickHouse."""
    home, found = here.settings.home, dict[str, int]()
    for folder in sorted((home / "kafka").rglob(f"{here.settings.namespace}.*-[0-9]*")):
        name = f"kafka {folder.name.rpartition('-')[0].partition('.')[2]}"
        found[name] = found.get(name, 0) + _size(folder)
    state = [home / "state", home / "second" / "state"]
    return found | {"rocksdb": sum(map(_size, state)), "clickhouse": _clickhouse(home / "clickhouse")}


def stores(here: System) -> dict[str, int]:
    """The same, all topics together."""
    found = Counter[str]()
    for part, size in disk(here).items():
        found[part.partition(" ")[0]] += size
    return dict(found)


def each(before: dict[str, int], after: dict[str, int], count: int) -> dict[str, int]:
    """Bytes for each of so many executions, by part, and of all parts."""
    grown = {part: round((size - before.get(part, 0)) / count) for part, size in after.items()}
    return {part: size for part, size in grown.items() if size} | {"all": sum(grown.values())}


def _clickhouse(folder: Path) -> int:
    """Without the parts that were merged into others, which stay some minutes longer."""
    parts = [part for part in folder.glob("store/*/*/*") if PART.match(part.name)]
    return _size(folder) - sum(_size(part) for part in parts if any(_covers(other, part) for other in parts))


def _covers(other: Path, part: Path) -> bool:
    mine, others = PART.match(part.name), PART.match(other.name)
    if other.parent != part.parent or not mine or not others or mine[1] != others[1]:
        return False
    (low, high, level), (first, last, deeper) = (tuple(map(int, found.groups()[1:4])) for found in (mine, others))
    return first <= low and high <= last and level < deeper


def _size(folder: Path) -> int:
    """Bytes on disk; what goes while it is looked at, as merged parts do, is passed over."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(f"{where}/{name}")
                total += found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0
    return total


def room_left(here: System) -> bool:
    """Whether the disk has room for more."""
    return psutil.disk_usage(str(here.settings.home)).free > LEAST_FREE
