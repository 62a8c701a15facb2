"""The script `./dev` before there is an environment: what it says to whom it cannot help."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "mkdir", "cat")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A path with next to nothing on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    return folder


def program(path: Path, text: str) -> None:
    """A script in the place of a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def dev(bare: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of ./dev with that path and an empty home, on a machine whose distribution has no Python."""
    script = bare.parent / "dev"
    script.write_text((ROOT / "dev").read_text().replace("/usr/bin/python3", "/nowhere/python3"))
    script.chmod(0o755)
    env = {"PATH": str(bare), "HOME": str(bare.parent)}
    return subprocess.run([script, *words], env=env, capture_output=True, text=True, check=False)


def test_no_python_is_one_clear_line(bare: Path) -> None:
    """It says what is needed and how to get it."""
    done = dev(bare, "up")
    assert done.returncode == 1
    assert done.stderr.startswith("dev: Python 3.11 or newer is needed, found: none. Install one")
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_is_too_old_is_one_clear_line(bare: Path) -> None:
    """It names the version that it found."""
    program(bare / "python3", 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi')
    done = dev(bare, "up")
    assert done.returncode == 1
    assert "needed, found: Python 3.9.2." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_network_for_uv_is_one_clear_line(bare: Path) -> None:
    """Where uv has to be fetched and cannot be, the last line asks about the network."""
    program(bare / "python3", '[ "$1" = -c ] || [ "$2" = venv ]')
    done = dev(bare, "up")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "dev: uv could not be fetched from PyPI; is there a network?"


def test_a_python_that_can_make_environments_goes_first(bare: Path) -> None:
    """One that cannot is for machines that have no better one: uv may be there already."""
    tried = bare.parent / "tried"
    for name, answer in {"python3": 'case "$2" in *ensurepip*) exit 1 ;; esac', "python3.12": "exit 1"}.items():
        program(bare / name, f'[ "$1" != -c ] || echo "{name} $2" >> {tried}; {answer}')
    program(bare / "uv", f'echo "$*" >> {tried}')
    dev(bare, "up")
    lines = tried.read_text().splitlines()
    assert [line.split(";")[0] for line in lines[:3]] == [
        "python3 import sys, ensurepip",
        "python3.12 import sys, ensurepip",
        "python3 import sys",
    ]
    assert "--python python3 " in lines[-1]


def test_the_script_says_what_it_can_do(bare: Path) -> None:
    """A word that it does not know is answered with the ones that it knows, as is the call for help."""
    for tool in ("python3", "uv"):
        program(bare / tool, "exit 0")
    unknown = dev(bare, "dance")
    assert unknown.returncode == 2
    assert "usage: ./dev COMMAND" in unknown.stderr
    assert unknown.stderr.splitlines()[-1] == "dev: there is no command 'dance'"
    asked = dev(bare, "--help")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout in unknown.stderr
