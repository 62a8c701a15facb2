"""The walls around `python` and `shell` tasks: bubblewrap, limits, a system call filter. Linux only.

Inside: read-only system folders, a private /tmp, no network, an empty environment, nobody's identity (65534), no
capabilities, namespaces of their own. Without bubblewrap that works, these tasks are refused.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streams.settings import Settings
from streams.worker import seccomp
from streams.worker.memory_file import memory_file
from streams.worker.outcomes import RefusedError

NOBODY = 65534
PROCESSES = 64
"""Processes and threads of one task."""

FILES = 256
"""Open files of one process."""

DISK = 64 * 1024 * 1024
"""Bytes in /tmp, and of one file."""

CPU_SECONDS = 24 * 3600
"""Of one process, where the task has no timeout."""

SYSTEM = ("/usr", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/certs")
LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
ADVICE = (
    "Install bubblewrap (Debian, Ubuntu: apt install bubblewrap) and allow user namespaces, or let an administrator "
    "set isolation=process, which runs such tasks without walls."
)


def weakness() -> str:
    """What the walls lack on this machine and how to mend it, in a sentence; empty where they are whole."""
    if seccomp.program():
        return ""
    return (
        f"{seccomp.LIBRARY} is not installed, so sandboxed code may make any system call; "
        "install it (Debian, Ubuntu: apt install libseccomp2)"
    )


@dataclass(frozen=True)
class Program:
    """What is to run. `data` are read-only files given by content; `fds` stay open."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 0  # milliseconds; 0: none
    data: Mapping[str, bytes] = field(default_factory=dict)
    fds: Sequence[int] = ()


AGAIN = 1.0
"""Seconds after which a trial that failed is made again: what was wrong may have passed."""


class Sandbox:
    """Makes command lines that run a program behind the walls, once a trial has shown that they stand."""

    def __init__(self, settings: Settings) -> None:
        self._memory = settings.memory_limit_mb * 1024 * 1024
        self._slots = settings.slots
        self._works = False
        self._fault, self._again_at = "", 0.0

    async def check(self) -> None:
        """Raise RefusedError, with advice, where no sandbox works on this machine: `true` is run just as a task is."""
        if not self._works and time.monotonic() >= self._again_at:
            self._fault = await self._try()
            self._works, self._again_at = not self._fault, time.monotonic() + AGAIN
        if not self._works:
            raise RefusedError(f"no sandbox works on this worker: {self._fault}. {ADVICE}")

    async def _try(self) -> str:
        if missing := [tool for tool in ("bwrap", "prlimit", "setpriv") if not shutil.which(tool)]:
            return f"{missing[0]} is not installed"
        with self.command(Program(["true"])) as (argv, fds):
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, pass_fds=fds
            )
            _, said = await process.communicate()
        return "" if process.returncode == 0 else said.decode(errors="replace").strip()[-300:] or "bwrap fails silently"

    @contextmanager
    def command(self, program: Program) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        """The command line, and the descriptors it needs; they are open while inside."""
        with contextlib.ExitStack() as stack:
            fds = {path: stack.enter_context(memory_file(data)) for path, data in program.data.items()}
            walls = [*self._namespaces(), *_files(), *_environment(program.env)]
            for path, fd in fds.items():
                walls += ["--perms", "0444", "--ro-bind-data", str(fd), path]
            walls += ["--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108  (the sandbox's own)
            if code := seccomp.program():
                fds[""] = stack.enter_context(memory_file(code))
                walls += ["--seccomp", str(fds[""])]
            inside = [*_identity(), *self._limits(program.timeout), *program.argv]
            yield ["bwrap", *walls, "--", *inside], (*fds.values(), *program.fds)

    def _namespaces(self) -> list[str]:
        """Root needs no user namespace to build walls, and its limits hold only after a real change of identity."""
        walls = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        walls += ["--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        if os.geteuid() == 0:
            return [*walls, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        return [*walls, "--unshare-user", "--disable-userns", "--uid", str(NOBODY), "--gid", str(NOBODY)]

    def _limits(self, timeout: int) -> list[str]:
        """Set inside, where the identity and its count of processes are the sandbox's own (under root: all slots')."""
        processes = PROCESSES * (self._slots if os.geteuid() == 0 else 1)
        seconds = timeout // 1000 * PROCESSES + 1 if timeout else CPU_SECONDS
        limits = {"nproc": processes, "as": self._memory, "fsize": DISK, "nofile": FILES, "cpu": seconds, "core": 0}
        return ["prlimit", *(f"--{name}={value}" for name, value in limits.items()), "--"]


def _files() -> list[str]:
    walls = [word for path in SYSTEM if Path(path).exists() for word in ("--ro-bind", path, path)]
    for path in map(Path, LINKED):
        if path.is_symlink():
            walls += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            walls += ["--ro-bind", str(path), str(path)]
    walls += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(DISK), "--tmpfs", "/dev/shm"]  # noqa: S108  (the sandbox's own)
    walls += ["--remount-ro", "/dev", "--perms", "1777", "--size", str(DISK), "--tmpfs", "/tmp"]  # noqa: S108  (the same)
    for path in _python():  # after /tmp, in which it may lie
        for parent in list(path.parents)[-2::-1]:
            walls += ["--perms", "0755", "--dir", str(parent)]
        walls += ["--ro-bind", str(path), str(path)]
    return walls


def _python() -> list[Path]:
    """The folders of this interpreter that are not part of the system's own."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    return sorted(path for path in folders if not path.is_relative_to("/usr"))


def _environment(env: Mapping[str, str]) -> list[str]:
    whole = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **env}  # noqa: S108
    return ["--clearenv", *(word for name, value in whole.items() for word in ("--setenv", name, value))]


def _identity() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--"]
