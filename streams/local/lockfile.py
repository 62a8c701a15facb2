"""One instance a folder: a lock that the kernel takes away with the process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.local.errors import SetupError


@contextmanager
def only_one(home: Path, pipelines: Path | str = "") -> Iterator[None]:
    """Hold the folder for this process, and note there which folder of `pipelines` it runs.

    Raises SetupError with the holder's process id where another one has it.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "up.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SetupError(_taken(home, file.readline().strip())) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n{pipelines}")
        file.flush()
        yield


def _taken(home: Path, pid: str) -> str:
    return (
        f"Headrace runs already in {home} (process {pid or 'unknown'}); "
        f"stop it with Ctrl-C there or `kill {pid}`, or set HEADRACE_HOME to another folder"
    )


class Holder(NamedTuple):
    """Who holds a folder: a process, and the folder of the pipelines that it runs; none: unknown."""

    pid: int
    pipelines: Path | None


def holder(home: Path) -> Holder | None:
    """Who holds the folder now, or none."""
    try:
        with (home / "up.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid, _, pipelines = file.read().partition("\n")
                return Holder(int(pid or 0), Path(pipelines) if pipelines else None)
    except OSError:
        return None
    return None
