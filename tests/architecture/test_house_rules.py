"""The shape of the house: who may know whom, and who may write what."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from streams.engine import apply as applying
from streams.engine import commands, decide, dispatch, events, view

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
ENGINE = sorted((ROOT / "streams" / "engine").glob("*.py"))
WRITERS = {name for name in vars(view.Table) if not name.startswith("_")} - set(dir(view.View))
CHANCE = {
    "now",
    "utcnow",
    "today",
    "time",
    "time_ns",
    "monotonic",
    "monotonic_ns",
    "random",
    "uuid4",
    "urandom",
    "sleep",
}


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """The names of all that a file calls as a method or a function of a module, and their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node.lineno


def test_every_room_knows_only_those_below_it() -> None:
    """The contracts of pyproject.toml hold. In a process of its own: the check turns the loggers of its own off."""
    checked = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_only_apply_writes_the_state(path: Path) -> None:
    """Decisions make events; what an event does to the table stands in one place."""
    written = [(name, line) for name, line in calls(path) if name in WRITERS]
    assert path.stem == "apply" or not written
    assert path.stem != "apply" or {name for name, _ in written} == WRITERS, "every writer has its event"


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_i6_the_engine_asks_no_clock_and_no_dice(path: Path) -> None:
    """Whatever it decides follows from the log alone, or a replay would decide otherwise."""
    assert [(name, line) for name, line in calls(path) if name in CHANCE] == []


def test_every_event_has_its_applier_and_every_command_its_processor() -> None:
    """A protocol is closed: nothing can be said that nobody understands."""
    assert set(applying._APPLIERS) == set(get_args(events.Event))
    assert set(decide._PROCESSORS) == set(get_args(commands.TaskCommand))
    assert set(dispatch._HANDLERS) == set(get_args(commands.ReadyCommand))


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_never_awaits(path: Path) -> None:
    """A decision is one uninterrupted step."""
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, waits)]
