"""What is wrong with somebody's event, field by field, in words they can act on."""

import reprlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from pipelines.events import AnyEvent
from pipelines.model import AnyTask

VALUE_SHOWN = 80
"""Characters of a wrong value that are repeated to its sender."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = VALUE_SHOWN
EXTRA = "extra_forbidden"
"""pydantic's name for a field that does not exist."""

_PARTS = frozenset({"body", "query", "path", "header", "one", "many"})
_KINDS = {kind.model_fields["kind"].default: kind for kind in AnyTask.__args__}
_TAGS = _PARTS | {*_KINDS} | {event.model_fields["type"].default for event in AnyEvent.__args__}
_OPENINGS = _PARTS | {"task"}
"""After these a tag may stand where the next field is expected."""
_WORDS = {
    "Value error, ": "",
    "Extra inputs are not permitted": "there is no such field",
    "a valid dictionary or object to extract fields from": "an object",
    "a valid tuple": "a list",
    "Tuple should": "The list should",
    " after validation": "",
}
"""What pydantic says of Python's types and its own steps, in words for whoever wrote JSON."""


def faults(error: ValidationError, limit: int = 20) -> tuple[dict[str, JsonValue], ...]:
    """Each fault as {field, problem, value}: where it is, what would be right, what came. At most `limit`."""
    return tuple(map(fault, error.errors(include_url=False, include_context=False)[:limit]))


def sentence(error: ValidationError) -> str:
    """All faults as one line for a log or a dead letter."""
    return "; ".join(f"{f['field']}: {f['problem']} (got {f['value']})" for f in faults(error, limit=5))


def shown(value: Any) -> str:
    """A value as text, shortened, with control characters escaped; quick however large the value is."""
    text = _short.repr(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def fault(error: ErrorDetails) -> dict[str, JsonValue]:
    """One of pydantic's findings, in our words."""
    return {"field": field(error["loc"]), "problem": problem(error), "value": shown(error["input"])}


def problem(error: ErrorDetails) -> str:
    """What is wrong, in a sentence that names what would be right."""
    said = error["msg"]
    for theirs, ours in _WORDS.items():
        said = said.replace(theirs, ours)
    return f"{said}{meant(error['loc'])}" if error["type"] == EXTRA else said


def meant(place: Sequence[int | str]) -> str:
    """For a field that a kind of task does not have: the one whose name is nearly the same."""
    *_, kind, name = "", *place
    known = _KINDS[kind].model_fields if kind in _KINDS else ()
    return next((f"; did you mean {near}?" for near in get_close_matches(str(name), known, n=1)), "")


def field(place: Sequence[int | str]) -> str:
    """A place in a document as people write it: `task.retries.limit`, `tasks[3].id`; the whole is `event`."""
    return "".join(_steps(place)).removeprefix(".") or "event"


def _steps(place: Sequence[int | str]) -> Iterator[str]:
    """Leaves out what pydantic and FastAPI add to say in which part and which member of a union they are."""
    opening = True
    for step in place:
        if isinstance(step, int):
            yield f"[{step}]"
        elif not (opening and step in _TAGS):
            yield f".{step}"
        opening = isinstance(step, int) or step in _OPENINGS
