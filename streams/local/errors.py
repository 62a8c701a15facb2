"""What goes wrong while a machine is set up."""

from pathlib import Path


class SetupError(Exception):
    """One clear line for the person at the terminal: what was wrong, and what to do."""


class StuckError(Exception):
    """A process that not even the kernel ends now; the text says which one."""


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, indented, for a message; empty where there is none."""
    if not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-count:]
    return "".join(f"\n    {line}" for line in lines)
