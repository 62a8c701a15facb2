"""What goes wrong while a machine is set up."""

from pathlib import Path

STARTED = "--- started at"
"""How the line in a log begins that a process's start has left."""

END_BYTES = 64 * 1024
"""As much of a log's end is looked at."""


class SetupError(Exception):
    """One clear line for the person at the terminal: what was wrong, and what to do."""


class StuckError(Exception):
    """A process that not even the kernel ends now; the text says which one."""


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, indented, for a message; empty where whoever was started last has said nothing."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - END_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    begun = max((number for number, line in enumerate(lines, 1) if line.startswith(STARTED)), default=0)
    return "".join(f"\n    {line}" for line in lines[begun:][-count:])
