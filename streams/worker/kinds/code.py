"""What `python` and `shell` share: a program behind the walls, or bare where an administrator has said so."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from pipelines.environment import ATTEMPT, EXECUTION, RUN, TASK
from pipelines.ids import to_text
from streams.engine.records import Job
from streams.settings import Settings
from streams.worker.output import Output
from streams.worker.program import Ran, run
from streams.worker.sandbox import Program, Sandbox, weakness

_log = structlog.get_logger(__name__)

FOLDER = "/run/headrace"
"""Where a program finds the files that come with it."""


class CodeRunner:
    """Runs programs in the isolation that the settings ask for."""

    def __init__(self, settings: Settings) -> None:
        self._sandbox = None if settings.isolation == "process" else Sandbox(settings)
        if self._sandbox and (lacking := weakness()):
            _log.warning("the sandbox is weaker than it should be", reason=lacking)
        self._run = partial(run, memory=settings.memory_limit_mb * 1024 * 1024, longest=settings.result_limit)

    async def run(self, program: Program, output: Output, stdin: bytes) -> Ran:
        """Run it. `MARK` at the head of an argument or variable stands for the folder with its files.

        Raises RefusedError where no sandbox works.
        """
        if self._sandbox:
            await self._sandbox.check()
            with self._sandbox.command(_placed(program, FOLDER)) as (argv, fds):
                # not the worker's environment: what is inside could read it from bubblewrap's own process
                return await self._run(argv, output, stdin=stdin, env=_path(), fds=fds)
        with _bare(program) as (placed, folder):
            env = {**_plain_environment(folder), **placed.env}
            return await self._run(placed.argv, output, stdin=stdin, env=env, cwd=folder, fds=placed.fds)


def about(job: Job) -> dict[str, str]:
    """What a program learns about its own attempt, by environment."""
    return {
        TASK: job.task,
        RUN: job.run,
        EXECUTION: to_text(job.execution),
        ATTEMPT: str(job.number),
    }


def _placed(program: Program, folder: str) -> Program:
    """The same program with its files in a folder."""
    return replace(
        program,
        argv=_put(program.argv, folder),
        env={name: _at(value, folder) for name, value in program.env.items()},
        data={f"{folder}/{name}": data for name, data in program.data.items()},
    )


def _put(words: Sequence[str], folder: str) -> list[str]:
    return [_at(word, folder) for word in words]


def _at(word: str, folder: str) -> str:
    """Only a word that begins with the mark is ours; users' words stay byte by byte what they are."""
    return folder + word.removeprefix(MARK) if word.startswith(MARK) else word


MARK = "\0folder"
"""Stands for the folder; no argument or variable of a user can hold a zero byte."""


@contextmanager
def _bare(program: Program) -> Iterator[tuple[Program, str]]:
    with tempfile.TemporaryDirectory(prefix="headrace-", ignore_cleanup_errors=True) as folder:
        for name, data in program.data.items():
            (Path(folder) / name).write_bytes(data)
        yield _placed(program, folder), folder


def _plain_environment(folder: str) -> Mapping[str, str]:
    env = {**_path(), "HOME": folder, "LANG": "C.UTF-8"}
    with contextlib.suppress(KeyError):
        env["TZ"] = os.environ["TZ"]
    return env


def _path() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath)}
