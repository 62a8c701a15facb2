"""One instance a folder: a lock that the kernel takes away with the process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.local.errors import SetupError


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises SetupError with the holder's process id where another one has it."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "up.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SetupError(_taken(home, file.read().strip())) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(home: Path, pid: str) -> str:
    return (
        f"Headrace runs already in {home} (process {pid or 'unknown'}); "
        f"stop it with Ctrl-C there or `kill {pid}`, or set HEADRACE_HOME to another folder"
    )


def holder(home: Path) -> int | None:
    """The process that holds the folder now, or none."""
    try:
        with (home / "up.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0)
    except OSError:
        return None
    return None
