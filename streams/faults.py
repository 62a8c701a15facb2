"""What is wrong with somebody's event, field by field, in words they can act on."""

import reprlib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipelines.model import AnyTask

VALUE_SHOWN = 80
"""Characters of a wrong value that are repeated to its sender."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = VALUE_SHOWN
_KINDS = frozenset(kind.model_fields["kind"].default for kind in AnyTask.__args__)


def faults(error: ValidationError, limit: int = 20) -> tuple[dict[str, str], ...]:
    """Each fault as {field, problem, value}: where it is, what would be right, what came. At most `limit`."""
    found = error.errors(include_url=False, include_context=False)
    return tuple(map(_fault, found[:limit]))


def sentence(error: ValidationError) -> str:
    """All faults as one line for a log or a dead letter."""
    return "; ".join(f"{f['field']}: {f['problem']} (got {f['value']})" for f in faults(error, limit=5))


def shown(value: Any) -> str:
    """A value as text, shortened, with control characters escaped; quick however large the value is."""
    text = _short.repr(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def _fault(error: ErrorDetails) -> dict[str, str]:
    problem = error["msg"].removeprefix("Value error, ")
    return {"field": field(error["loc"]), "problem": problem, "value": shown(error["input"])}


def field(place: Sequence[int | str]) -> str:
    """A place in a document as people write it: `task.retries.limit`, `tasks[3].id`; the whole is `event`."""
    return "".join(_steps(place)).removeprefix(".") or "event"


def _steps(place: Sequence[int | str]) -> Iterator[str]:
    """Leaves out what pydantic adds to say which member of a union it tried."""
    for before, step in zip((None, *place), place, strict=False):
        if isinstance(step, int):
            yield f"[{step}]"
        elif before is not None and not (step in _KINDS and (before == "task" or isinstance(before, int))):
            yield f".{step}"
