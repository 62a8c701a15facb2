"""What a name that nothing is known of may have meant: a run, a task, or a name that is nearly the same."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from pipelines.command import command
from pipelines.requests import ExecutionFilter
from ui.cli.exits import Exit, stop
from ui.client import ApiError, ApiUnavailableError, Client

NOT_FOUND = 404


@contextmanager
def explained(client: Client, name: str) -> Iterator[None]:
    """Where an execution is not found, end the process with what `name` is instead, if it is a run or a task."""
    try:
        yield
    except ApiError as error:
        if error.status == NOT_FOUND and (hint := _meant(client, name)):
            stop(f"{error}; {hint}", Exit.NOT_FOUND)
        raise


@contextmanager
def nearly(client: Client, name: str) -> Iterator[None]:
    """Where a task or pipeline is not found, end the process with the name that is nearly the same, if there is one."""
    try:
        yield
    except ApiError as error:
        if error.status == NOT_FOUND and (near := _near(client, name)):
            stop(f"{error}; did you mean {near}?", Exit.NOT_FOUND)
        raise


def _near(client: Client, name: str) -> str:
    try:
        known = [task.task for task in client.tasks(limit=1000)] + [one.pipeline for one in client.pipelines()]
    except (ApiError, ApiUnavailableError):
        return ""
    return next(iter(get_close_matches(name, known, n=1)), "")


def _meant(client: Client, name: str) -> str:
    for what in ("run", "task"):
        if _some(client, ExecutionFilter.model_validate({what: name})):
            listed = command(f"list --{what} {shlex.quote(name)}")
            return f"there is a {what} of that name, list its executions with `{listed}`"
    return ""


def _some(client: Client, which: ExecutionFilter) -> bool:
    """Whether any execution matches; no where that cannot be said now, since the error stands anyway."""
    try:
        return bool(client.executions(which, limit=1).items)
    except (ApiError, ApiUnavailableError):
        return False
