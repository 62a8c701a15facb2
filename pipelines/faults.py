"""What is wrong with somebody's event, field by field, in words they can act on."""

import json
import reprlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from pipelines.events import AnyEvent
from pipelines.model import AnyTask

VALUE_SHOWN = 80
"""Characters of a wrong value that are repeated to its sender."""

EXTRA = "extra_forbidden"
"""pydantic's name for a field that does not exist."""
MISSING = "missing"
"""pydantic's name for a field that must be there."""

_PARTS = frozenset({"body", "query", "path", "header"})
"""Where in a request a place is: FastAPI says so first."""
_TAGGED: dict[str, dict[str, type[BaseModel]]] = {
    by: {union.model_fields[by].default: union for union in members.__args__}
    for by, members in (("kind", AnyTask), ("type", AnyEvent))
}
"""The members of our unions, by the field that tells them apart and by what it says."""
_MODELS = _TAGGED["kind"] | _TAGGED["type"]
_FORMS = frozenset({"one", "many"})
_TAGS = _FORMS | {*_MODELS}
_OPENINGS = _FORMS | {"task"}
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
    return described(error.errors(include_url=False), limit)


def described(errors: Sequence[ErrorDetails], limit: int = 20) -> tuple[dict[str, JsonValue], ...]:
    """The same, of what pydantic has found."""
    return tuple(fault(one, errors) for one in errors[:limit])


def sentence(error: ValidationError) -> str:
    """All faults as one line for a log or a dead letter."""
    return "; ".join(f"{f['field']}: {f['problem']} (got {f['value']})" for f in faults(error, limit=5))


class _Short(reprlib.Repr):
    """Values as JSON, never written out whole; a string alone in quotes, as in a sentence."""

    maxstring = maxother = VALUE_SHOWN

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(x, level) if level == self.maxlevel else _quoted(x[:VALUE_SHOWN])

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_str(x[: 2 * VALUE_SHOWN].decode("utf-8", "backslashreplace"), level)

    def repr_tuple(self, x: tuple[Any, ...], level: int) -> str:
        return self.repr_list(list(x[: self.maxlist + 1]), level)

    def repr_bool(self, x: bool, level: int) -> str:  # noqa: ARG002, FBT001  (reprlib's signature)
        return json.dumps(x)

    def repr_NoneType(self, x: None, level: int) -> str:  # noqa: ARG002, N802  (reprlib's names)
        return json.dumps(x)


_short = _Short()


def _quoted(text: str) -> str:
    """As JSON; what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))


def shown(value: Any) -> str:
    """A value as text, shortened, with control characters escaped; quick however large the value is."""
    text = _short.repr(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def fault(error: ErrorDetails, beside: Sequence[ErrorDetails] = ()) -> dict[str, JsonValue]:
    """One of pydantic's findings, in our words, in the light of those `beside` it."""
    place, given = error["loc"], error["input"]
    if by := _tag(error):
        place, given = (*place, by), given.get(by, given)
    named = bool(by) or error["type"] in (EXTRA, MISSING)
    return {"field": field(place, named=named), "problem": problem(error, beside), "value": shown(given)}


def problem(error: ErrorDetails, beside: Sequence[ErrorDetails] = ()) -> str:
    """What is wrong, in a sentence that names what would be right."""
    if by := _tag(error):
        return _untold(by, error)
    said = error["msg"]
    for theirs, ours in _WORDS.items():
        said = said.replace(theirs, ours)
    return f"{said}{meant(error['loc'], beside)}" if error["type"] == EXTRA else said


def _tag(error: ErrorDetails) -> str:
    """The field that does not tell which member of a union is meant; empty: that is not the fault."""
    return str(error["ctx"]["discriminator"]).strip("'") if error["type"].startswith("union_tag_") else ""


def _untold(by: str, error: ErrorDetails) -> str:
    given, known = error["input"], error["ctx"].get("expected_tags") or ", ".join(_TAGGED[by])
    what = f"there is no such {by}" if by in given else "missing"
    hint = "; send the task itself, with nothing around it" if by == "kind" and "task" in given else ""
    return f"{what}; one of {known}{hint}".replace("'", "")


def meant(place: Sequence[int | str], beside: Sequence[ErrorDetails] = ()) -> str:
    """For a field that does not exist: one of nearly the same name, or the only one missing if no other is too much."""
    *_, tag, name = "", *place
    near = [one for one in beside if one["loc"][:-1] == tuple(place[:-1])]
    missing, extra = ([str(one["loc"][-1]) for one in near if one["type"] == what] for what in (MISSING, EXTRA))
    known = [*missing, *(_MODELS[tag].model_fields if tag in _MODELS else ())]
    found = get_close_matches(str(name), known, n=1) or (missing if len(missing) == len(extra) == 1 else [])
    return "".join(f"; did you mean {one}?" for one in found)


def field(place: Sequence[int | str], *, named: bool = False) -> str:
    """A place in a document as people write it: `task.retries.limit`, `tasks[3].id`.

    The whole is `body` in a request, else `event`. `named`: the last step is a field, even if it has the name of a tag.
    """
    whole, inside = (str(place[0]), place[1:]) if place and place[0] in _PARTS else ("event", place)
    until = len(inside) - 1 if named else len(inside)
    steps = [*_steps(inside[:until]), *(f".{step}" for step in inside[until:])]
    return "".join(steps).removeprefix(".") or whole


def _steps(place: Sequence[int | str]) -> Iterator[str]:
    """Leaves out what pydantic adds to say which member of a union it is."""
    opening = True
    for step in place:
        if isinstance(step, int):
            yield f"[{step}]"
        elif not (opening and step in _TAGS):
            yield f".{step}"
        opening = isinstance(step, int) or step in _OPENINGS
