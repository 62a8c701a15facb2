"""Bring a command from Debian's packages, where that needs no question: `python -m streams.local.debian bwrap ...`."""

import os
import shutil
import subprocess
import sys

from rich.console import Console

PACKAGES = {
    "bwrap": "bubblewrap",  # the sandbox of code tasks
    "chromium": "chromium",  # the dashboard's tests
    "kcat": "kcat",  # a Kafka client that is not Python's, in tests
    "docker-compose": "docker-compose",  # checks docker-compose.yml, in tests
}
"""Commands that we make use of, and the packages that they come in."""


def bring_command(command: str) -> bool:
    """Install a command that is missing, as root with apt-get; whether it is there now. Says what it does."""
    if shutil.which(command):
        return True
    package, console = PACKAGES[command], Console(stderr=True, highlight=False)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        console.print(f"{command} is missing: install the package {package!r} to have what needs it.")
        return False
    console.print(f"Installing {package} with apt-get ...")
    if _install(package) or (_apt("update") and _install(package)):
        return True
    console.print(f"apt-get could not install {package}: what needs {command} will say so.")
    return False


def _install(package: str) -> bool:
    return _apt("install", "--yes", "--no-install-recommends", package)


def _apt(*words: str) -> bool:
    command = ["apt-get", "--quiet", *words]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0  # noqa: S603  (constants)


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        bring_command(wanted)
