"""Functions of pipeline files: what happens inside a warm process."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from pipelines.builtin import FUNCTIONS
from pipelines.calling import Context, Function, call, is_async
from pipelines.dsl import Skip
from pipelines.faults import nearest
from pipelines.ids import to_text
from pipelines.listed import listed
from streams.engine.records import Job
from streams.worker.outcomes import ERROR_CHARACTERS, Outcome, clean, describe, encode_result

_logger = logging.getLogger("headrace.task")


class Functions:
    """Calls registered functions by name; async ones on one loop that stays. `broken`: files that were not loaded."""

    def __init__(self, functions: Mapping[str, Function], limit: int, broken: Sequence[str] = ()) -> None:
        self._functions, self._limit, self._broken = functions, limit, broken
        self._find = lru_cache(maxsize=4096)(self._look_up)
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, job: Job) -> Outcome:
        """Call the job's function. Whatever it does ends as an outcome; its traceback goes to stderr."""
        found = self._find(job.call)
        if isinstance(found, str):
            return Outcome("refused", error=found)
        try:
            value = self._call(found, job)
        except Skip as skip:
            return Outcome("skipped", error=clean(str(skip))[:ERROR_CHARACTERS])
        except BaseException as error:  # noqa: BLE001  (the user's code may raise anything, and the process goes on)
            return Outcome("failed", error=_report(error))
        return encode_result(value, self._limit)

    def _call(self, found: "_Found", job: Job) -> Any:
        payload = msgspec.json.decode(job.payload) if job.payload else None
        inputs = {task: msgspec.json.decode(value) for task, value in job.inputs.items() if value}
        value = call(found.function, payload, inputs, _context(job) if found.wants_context else _NOT_ASKED)
        return self._wait_for(value) if found.is_async else value

    def _wait_for(self, coroutine: Any) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(coroutine)

    def _look_up(self, fields: bytes) -> "_Found | str":
        """What a task's fields name, or why it cannot be had."""
        name = str(msgspec.json.decode(fields)["function"])
        if (function := self._functions.get(name)) is None:
            known = listed(sorted(self._functions.keys() - FUNCTIONS.keys())) or "none"
            missing = f"this worker has no function {name!r:.80}{nearest(name, self._functions) or ';'}"
            return f"{missing} its pipeline files register: {known}; {self._advice()}"
        return _Found(function, is_async(function), "context" in inspect.signature(function).parameters)

    def _advice(self) -> str:
        """What may be the matter: a file that was not loaded, or one that is gone or came later."""
        if not self._broken:
            return _RELOAD
        more = f" (and {len(self._broken) - 1} more)" if len(self._broken) > 1 else ""
        return (
            "its file is gone, or is one that was not loaded, to be mended before the worker is restarted: "
            f"{self._broken[0]}{more}"
        )


_RELOAD = (
    "it loaded its pipelines folder (HEADRACE_PIPELINES_DIR) when it started: "
    "restart it if the file came later, or put the file into that folder"
)
_NOT_ASKED = Context("", "", "", 0, _logger)


class _Found(NamedTuple):
    """A function, and what a call needs to know about it."""

    function: Function
    is_async: bool
    wants_context: bool


def _context(job: Job) -> Context:
    return Context(job.task, job.run, to_text(job.execution), job.number, _logger)


def _report(error: BaseException) -> str:
    """Print the traceback from the user's own code on; what went wrong, in a line, is for the result."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _OURS:
        trace = trace.tb_next
    error.__traceback__ = trace
    traceback.print_exception(error)
    return describe(error)


_OURS = frozenset({__file__, call.__code__.co_filename, asyncio.base_events.__file__, asyncio.futures.__file__})
