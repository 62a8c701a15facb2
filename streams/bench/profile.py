"""Where the CPU goes: by role and thread, from the kernel's own accounts, and by function where py-spy is there."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from streams.bench import load, measure, usage
from streams.bench.run import once
from streams.bench.show import Figures
from streams.bench.system import System

EVERY = 0.25
"""Seconds between two looks, so that threads that end are not lost."""

LEAST = 0.5
"""Microseconds of an execution below which a thread or function is left out of the table, not out of its role's sum."""

TICKS = os.sysconf("SC_CLK_TCK")
CLIENT = "client"
WARM = "warm process"
MAIN = "main thread"
ALL = "all"


class Thread(NamedTuple):
    """A thread of a role, by the name that the kernel has for it; `tid` tells those of one name apart."""

    role: str
    name: str
    tid: int


def measure_profile(here: System, executions: int, functions: int) -> Figures:
    """`throughput`, and the microseconds of CPU that an execution costs in each thread of each role."""
    processes = _processes(here)
    with tempfile.TemporaryDirectory(prefix="headrace-profile-") as folder:
        with _spies(processes if functions else {}, Path(folder)), _watch(processes) as last:
            before = _spent(processes)
            measured = once(here, load.throughput(executions))
        samples = {file.name: _samples(file) for file in sorted(Path(folder).iterdir())}
    used = defaultdict[tuple[str, str], float](float)
    for thread, seconds in last.items():
        used[thread.role, thread.name] += (seconds - before.get(thread, 0.0)) * 1e6 / executions
    found: Figures = {
        "executions": executions,
        "executions_per_second": measured["executions_per_second"],
        "us_each": _by_role(used),
    }
    if functions:
        found["files_us_each"] = _shared(_by_file(samples), found["us_each"], functions)
        found["functions_us_each"] = _shared(samples, found["us_each"], functions)
    return found | {"machine": measure.machine()}


def _processes(here: System) -> dict[str, list[int]]:
    """Process ids by role: the role's own one first, then its children."""
    children = here.supervisor.children if here.supervisor else []
    found = {CLIENT: [os.getpid()]}
    for child in children:
        if child.process:
            rest = psutil.Process(child.process.pid).children(recursive=True)
            found[child.role.name] = [child.process.pid, *(one.pid for one in rest)]
    return found


def _spent(processes: dict[str, list[int]]) -> dict[Thread, float]:
    """CPU seconds of each thread so far."""
    found = {}
    for role, pids in processes.items():
        for pid in pids:
            for tid, name, seconds in _threads(pid):
                shown = name if pid == pids[0] or role == CLIENT else f"{WARM}: {name}"
                found[Thread(role, shown, tid)] = seconds
    return found


def _threads(pid: int) -> Iterator[tuple[int, str, float]]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for folder in list(Path(f"/proc/{pid}/task").iterdir()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                text = (folder / "stat").read_text()
                name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
                yield (
                    int(folder.name),
                    MAIN if folder.name == str(pid) else name,
                    (int(rest[11]) + int(rest[12])) / TICKS,
                )


@contextmanager
def _watch(processes: dict[str, list[int]]) -> Iterator[dict[Thread, float]]:
    """The last that was seen of each thread while inside; complete when left."""
    last: dict[Thread, float] = {}
    with usage.looking(lambda: last.update(_spent(processes)), EVERY):
        yield last


def _by_role(used: Mapping[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    """The most expensive role first, its threads the same; `all` is the sum."""
    found = {}
    for role in {role for role, _ in used}:
        threads = {name: round(each, 1) for (whose, name), each in used.items() if whose == role}
        large = {name: each for name, each in sorted(threads.items(), key=_cost) if each >= LEAST}
        found[role] = {ALL: round(sum(threads.values()), 1), **large}
    return dict(sorted(found.items(), key=lambda one: -one[1][ALL]))


def _cost(one: tuple[str, float]) -> float:
    return -one[1]


# --- by function -----------------------------------------------------------------------------------------------


@contextmanager
def _spies(processes: dict[str, list[int]], folder: Path) -> Iterator[None]:
    """py-spy beside each Python role while inside; what it saw stands in the folder, a file a role."""
    spy = shutil.which("py-spy")
    if processes and not spy:
        raise measure.MeasurementError("--functions needs py-spy: `uv pip install py-spy`, and its folder in PATH")
    roles = [role for role in processes if role not in {"kafka", CLIENT}]
    running = [_spy(spy, processes[role][0], folder / role) for role in roles if spy]
    try:
        yield
    finally:
        for one in running:
            one.send_signal(signal.SIGINT)
        for one in running:
            one.wait(30)


def _spy(command: str, pid: int, out: Path) -> subprocess.Popen[bytes]:
    words = [command, "record", "--pid", str(pid), "--duration", "3600", "--format", "raw", "--output", str(out)]
    return subprocess.Popen(  # noqa: S603  (the program that we looked up)
        [*words, "--rate", "200", "--function", "--nonblocking"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _samples(file: Path) -> Counter[str]:
    """How often a thread was in each function, not who called it."""
    found = Counter[str]()
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        found[stack.rpartition(";")[2]] += int(count)
    return found


def _by_file(samples: dict[str, Counter[str]]) -> dict[str, Counter[str]]:
    """The same by the files in which the functions stand: py-spy has `(file:line)` behind their names."""
    found = {role: Counter[str]() for role in samples}
    for role, functions in samples.items():
        for name, count in functions.items():
            found[role][name.rpartition("(")[2].partition(":")[0]] += count
    return found


def _shared(
    samples: dict[str, Counter[str]], roles: dict[str, dict[str, float]], most: int
) -> dict[str, dict[str, float]]:
    """Each role's microseconds, shared out as its samples are; so many of those that have most."""
    found = {}
    for role, counts in samples.items():
        each = roles[role][ALL] / max(counts.total(), 1)
        found[role] = {name: round(count * each, 1) for name, count in counts.most_common(most)}
    return found


def as_rows(found: Figures) -> list[tuple[str, str, list[float]]]:
    """Rows of a table: roles, and below each its threads."""
    rows: list[tuple[str, str, list[float]]] = []
    for role, threads in found["us_each"].items():
        rows.append((role, "us", [threads[ALL]]))
        rows += [(f"  {name}", "us", [each]) for name, each in threads.items() if name != ALL]
    for kind in ("files_us_each", "functions_us_each"):
        for role, shares in found.get(kind, {}).items():
            rows += [(f"{role}: {name}", "us of it", [each]) for name, each in shares.items()]
    return rows
