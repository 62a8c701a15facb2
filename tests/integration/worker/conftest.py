"""A desk for every test: topics of its own, and whoever plays the rest of the system for a real worker."""

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DESK = Path(__file__).parents[2] / "apps" / "worker_desk.py"


def _load() -> ModuleType:
    spec = spec_from_file_location("worker_desk", DESK)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_desk = _load()


@pytest.fixture
def make_desk(kafka: str, tmp_path: Path) -> Callable[..., Any]:
    """Desks, as many as a test wants, with the settings it wants."""
    return lambda **settings: _desk.Desk(kafka, tmp_path / "files", **settings)
