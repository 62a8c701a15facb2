"""The kinds that run in the worker's own loop. Functions are not here: they have processes of their own."""

from collections.abc import Mapping

from streams.settings import Settings
from streams.worker.kinds.base import Kind
from streams.worker.kinds.code import CodeRunner
from streams.worker.kinds.http import HttpKind
from streams.worker.kinds.python import PythonKind
from streams.worker.kinds.shell import ShellKind
from streams.worker.kinds.sql import SqlKind


def make_kinds(settings: Settings) -> Mapping[str, Kind]:
    """The kinds that run in the worker's own loop, by name."""
    runner = CodeRunner(settings)
    return {
        "python": PythonKind(settings, runner),
        "shell": ShellKind(settings, runner),
        "sql": SqlKind(settings),
        "http": HttpKind(settings),
    }


async def close_kinds(kinds: Mapping[str, Kind]) -> None:
    """Let go of all they share."""
    for kind in kinds.values():
        await kind.close()
