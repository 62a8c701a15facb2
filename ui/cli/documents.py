"""JSON that people give: as an argument, as @FILE, or as a file of tasks and events."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipelines.command import command
from pipelines.events import PUBLIC_EVENT, AnyEvent, ExecuteEvent, SubmitEvent
from pipelines.faults import sentence, shown
from pipelines.model import RunId
from ui.cli.exits import UsageError

RUN = TypeAdapter(RunId)


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
    return _value(read_file(path), _named(path))


def read_file(path: str) -> str:
    """A file's text; `-` is standard input. Raises UsageError where there is none."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path!r}: {error.strerror}") from None


def events_of(path: str, wrap: str, run: str | None = None) -> list[AnyEvent]:
    """The events of a file: public events as they are; tasks and pipelines become events of type `wrap`.

    What executes something and names no run is in `run`. The file is one JSON value, a list of them, or one a line,
    as other clients of Kafka take it. Raises UsageError that says which of them is wrong, and why.
    """
    if run is not None:
        _check_run(run)
    return [_in(_checked(value, wrap, where), run) for where, value in _values(path)]


def _values(path: str) -> list[tuple[str, Any]]:
    """What a file holds, and where in it."""
    text, name = read_file(path), _named(path)
    lines = [(f"line {number} of {name}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and _is_json(lines[0][1]):
        return [(where, _value(line, where)) for where, line in lines]
    found = _value(text, name)
    if isinstance(found, list):
        return [(f"entry {number} of {name}", one) for number, one in enumerate(found, 1)]
    return [(name, found)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _value(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} holds no JSON: {error}") from None


def _named(path: str) -> str:
    return "standard input" if path == "-" else repr(path)


def _check_run(run: str) -> None:
    try:
        RUN.validate_python(run)
    except ValidationError as error:
        raise UsageError(f"--run {shown(run)}: {sentence(error)}") from None


def _in(event: AnyEvent, run: str | None) -> AnyEvent:
    if isinstance(event, ExecuteEvent | SubmitEvent) and event.run is None:
        return event.model_copy(update={"run": run})
    return event


def _checked(document: Any, wrap: str, where: str) -> AnyEvent:
    try:
        return PUBLIC_EVENT.validate_python(_event(document, wrap))
    except ValidationError as error:
        raise UsageError(f"{where}: {sentence(error)}") from None


def _event(document: Any, wrap: str) -> Any:
    if not isinstance(document, dict) or "type" in document:
        return document
    pipeline = "tasks" in document
    if pipeline and wrap == "submit":
        ways = f"`{command('create FILE')}`, then `{command('execute NAME')}`"
        raise UsageError(f"{shown(document.get('id'))} is a pipeline, and only tasks are submitted: {ways}")
    return {"type": wrap, ("pipeline" if pipeline else "task"): document}
