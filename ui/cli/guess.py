"""What a name that nothing is known of may have meant: a run, a task, or a name that is nearly the same."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

from pipelines.command import command
from pipelines.faults import nearest, shown
from pipelines.requests import ExecutionFilter
from ui.cli.exits import Exit, stop
from ui.client import ApiError, ApiUnavailableError, Client, found, tasks_kept

T = TypeVar("T")


def ask_first(look: Callable[[str], T], name: str) -> T | None:
    """What an order is about; none where that cannot be said now, since the order itself will tell.

    It is asked, not tried: a refused order is recorded. Raises ApiError where there is no such thing.
    """
    try:
        return look(name)
    except ApiUnavailableError:
        return None


@contextmanager
def guessing(client: Client, name: str, guess: Callable[[Client, str], str]) -> Iterator[None]:
    """Where nothing of this name is found, end the process with what was probably meant, if the guess finds it.

    A guess is the end of a sentence, from its semicolon on, or empty.
    """
    try:
        yield
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND and (meant := _guess(client, name, guess)):
            stop(f"{error}{meant}", Exit.NOT_FOUND)
        raise


def run_or_task(client: Client, name: str) -> str:
    """For the id of an execution: where a run or a task has this name, how to list its executions."""
    for what in ("run", "task"):
        if _ran(client, **{what: name}):
            listed = command(f"list --{what} {shlex.quote(name)}")
            return f"; there is a {what} of that name, list its executions with `{listed}`"
    return ""


def kept_or_nearly_same(client: Client, name: str) -> str:
    """For what is to be executed: that it ran and is not kept, or the name that is nearly the same."""
    if _ran(client, task=name):
        return "; it ran before, but is not kept: a submitted task runs once, and a deleted one is gone"
    return nearly_same(client, name)


def nearly_same(client: Client, name: str) -> str:
    """For a task or a pipeline: the name that is nearly the same."""
    return nearest(name, tasks_kept(client) + _pipelines(client))


def nearly_pipeline(client: Client, name: str) -> str:
    """For a pipeline: the one whose name is nearly the same."""
    return nearest(name, _pipelines(client))


def unknown_names(client: Client, which: ExecutionFilter) -> list[str]:
    """For a filter that nothing matches: what it names that is not kept and never ran, and what is nearly the same."""
    lines = []
    if (name := which.task) and not found(client.task, name) and not _ran(client, task=name):
        lines.append(f"no task {shown(name)}{nearest(name, tasks_kept(client))}")
    if (name := which.pipeline) and not found(client.pipeline, name) and not _ran(client, pipeline=name):
        lines.append(f"no pipeline {shown(name)}{nearly_pipeline(client, name)}")
    if (name := which.run) and not _ran(client, run=name):
        lines.append(f"no run {shown(name)}")
    return lines


def _ran(client: Client, **which: str) -> bool:
    """Whether there is an execution of that name."""
    return bool(client.executions(ExecutionFilter.model_validate(which), limit=1).items)


def pipeline_or_nearly_task(client: Client, name: str) -> str:
    """For a task that is to be deleted: that it is a pipeline, or the task whose name is nearly the same."""
    if name in _pipelines(client):
        return f"; {name} is a pipeline: `{command(f'delete --pipeline {shlex.quote(name)}')}`"
    return nearest(name, tasks_kept(client))


def _pipelines(client: Client) -> list[str]:
    return [one.pipeline for one in client.pipelines()]


def _guess(client: Client, name: str, guess: Callable[[Client, str], str]) -> str:
    """Nothing, where the guess fails: the error stands anyway."""
    try:
        return guess(client, name)
    except (ApiError, ApiUnavailableError):
        return ""
