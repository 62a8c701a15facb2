"""JSON that people give: as an argument, as @FILE, or as a file of tasks and events."""

import json
import sys
from pathlib import Path
from typing import Any

from pipelines.command import command
from pipelines.events import PUBLIC_EVENT, AnyEvent
from pipelines.faults import shown
from ui.cli.exits import UsageError


def read_json(text: str) -> Any:
    """A JSON value, or with a leading @ that of a file. Raises UsageError that says where it is wrong."""
    if text.startswith("@"):
        return read_document(text[1:])
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is no JSON ({error}); a text needs quotes of its own: '\"text\"'") from None


def read_document(path: str) -> Any:
    """A file's JSON. Raises UsageError that says where it is wrong."""
    try:
        return json.loads(read_file(path))
    except ValueError as error:
        where = "standard input" if path == "-" else repr(path)
        raise UsageError(f"{where} holds no JSON: {error}") from None


def read_file(path: str) -> str:
    """A file's text; `-` is standard input. Raises UsageError where there is none."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path!r}: {error.strerror}") from None


def events_of(path: str, wrap: str) -> list[AnyEvent]:
    """The events of a file: public events as they are; tasks and pipelines become events of type `wrap`.

    Raises UsageError for what is no JSON, pydantic's ValidationError for what is no event.
    """
    found = read_document(path)
    return [PUBLIC_EVENT.validate_python(_event(one, wrap)) for one in (found if isinstance(found, list) else [found])]


def _event(document: Any, wrap: str) -> Any:
    if not isinstance(document, dict) or "type" in document:
        return document
    pipeline = "tasks" in document
    if pipeline and wrap == "submit":
        ways = f"`{command('create FILE')}`, then `{command('execute NAME')}`"
        raise UsageError(f"{shown(document.get('id'))} is a pipeline, and only tasks are submitted: {ways}")
    return {"type": wrap, ("pipeline" if pipeline else "task"): document}
