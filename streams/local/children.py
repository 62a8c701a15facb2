"""Child processes that never outlive us, and how they are started and stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streams.local.errors import STARTED, StuckError

PR_SET_PDEATHSIG = 1

OWN_SHARE = "/proc/self/autogroup"
"""Where Linux is told how nice a session is: it shares the cores out among sessions, whatever processes in them are."""

LOG_BYTES = 16 * 1024 * 1024
"""Above which a log is put aside at the next start."""

KILLED_WITHIN = 5.0
"""Seconds in which the kernel ends what was killed; what hangs in a disk or a network mount stays for longer."""


def die_with(parent: int) -> Callable[[], None]:
    """What a child runs first: the kernel kills it when `parent` dies, even by kill -9 (Linux only)."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def arm() -> None:
        if libc:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return arm


def _before_exec(nice: int) -> Callable[[], None]:
    """What `start` has a child run before its program."""
    arm = die_with(os.getpid())

    def prepare() -> None:
        arm()
        niceness = os.nice(nice)  # on top of ours: an ordinary user may not lower it
        with contextlib.suppress(OSError):  # no Linux, or one that does not group by session
            group = os.open(OWN_SHARE, os.O_WRONLY)
            os.write(group, str(niceness).encode())
            os.close(group)

    return prepare


def start(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, nice: int = 0
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, its output at the end of `log`, ours to read.

    A log that has grown large is put aside first, as `.1`. `nice`: by how much it is nicer than we are, 0 or more.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(f"{log.suffix}.1"))
    with open(log, "ab", buffering=0, opener=_ours) as output:
        with contextlib.suppress(OSError):  # a full disk, on which it may well go on
            output.write(f"{STARTED} {time.strftime('%Y-%m-%d %H:%M:%S')} ---\n".encode())
        return subprocess.Popen(  # noqa: S603  (our own programs)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
            preexec_fn=_before_exec(nice),  # noqa: PLW1509  (a few system calls)
        )


def _ours(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a child and to all it started."""
    with contextlib.suppress(ProcessLookupError):  # all of them are gone: what was wanted
        os.killpg(process.pid, number)


def stop(process: subprocess.Popen[bytes], patience: float, killed_within: float = KILLED_WITHIN) -> bool:
    """Ask a child to end, and after `patience` seconds end its whole group. Whether it ended by itself.

    Raises StuckError where even that does not end it.
    """
    if process.poll() is None:
        process.terminate()
    try:
        return _ends(process, patience)
    finally:
        kill(process, killed_within)


def kill(process: subprocess.Popen[bytes], within: float = KILLED_WITHIN) -> None:
    """End a child and all it started, now. Raises StuckError where it is there after `within` seconds all the same."""
    signal_group(process, signal.SIGKILL)
    if not _ends(process, within):
        raise StuckError(
            f"process {process.pid} was killed and is there all the same after {within:g} s: it hangs in the kernel "
            "(state D in `ps`), as on a disk or a network mount that does not answer; it ends when that does"
        )


def _ends(process: subprocess.Popen[bytes], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True
