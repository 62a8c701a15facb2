"""What is wrong with somebody's event, field by field, in words they can act on."""

import json
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from pipelines.events import EXECUTION, AnyEvent
from pipelines.model import ADDRESS, FORMS, NAME, NAMESPACE, RUN_ID, TASK_ID, URL, AnyTask

VALUE_SHOWN = 80
"""Characters of a wrong value that are repeated to its sender."""

EXTRA = "extra_forbidden"
"""pydantic's name for a field that does not exist."""
MISSING = "missing"
"""pydantic's name for a field that must be there."""

BESIDE = 100
"""Faults in whose light one is seen: there may be a million."""

_PARTS = frozenset({"body", "query", "path", "header"})
"""Where in a request a place is: FastAPI says so first."""


def members(by: str, union: UnionType) -> dict[str, type[BaseModel]]:
    """The models of a union, by what the field says that tells them apart."""
    return {member.model_fields[by].default: member for member in get_args(union)}


_TAGGED = {by: members(by, union) for by, union in (("kind", AnyTask), ("type", AnyEvent))}
_MODELS = _TAGGED["kind"] | _TAGGED["type"]
_COUNTS = frozenset({"one", "many"})
_TAGS = _COUNTS | {*_MODELS, *FORMS.values()}
_OPENINGS = _COUNTS | {"task", "command"}
"""After these a tag may stand where the next field is expected."""
_LIST = "The list should have a length of at"
_SAID = {
    "value_error": "{error}",
    EXTRA: "there is no such field",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "Input should be an object"),
    "tuple_type": "Input should be a list",
    "too_short": f"{_LIST} least {{min_length}}, not {{actual_length}}",
    "too_long": f"{_LIST} most {{max_length}}, not {{actual_length}}",
    **dict.fromkeys(("bool_type", "bool_parsing"), "Input should be true or false"),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"),
        "Input should be a time with its zone, such as 2026-10-05T12:00:00Z",
    ),
    **dict.fromkeys(
        ("time_delta_type", "time_delta_parsing"), "Input should be a duration: seconds, or ISO 8601 such as PT5M"
    ),
}
"""Where pydantic speaks of Python's types and its own steps: what we say of such an error, to whoever wrote JSON."""

PATTERNS = {
    TASK_ID: "1 to 200 letters (A to Z, a to z), digits and _ . : - are allowed, and none of . : - at the beginning",
    NAME: "1 to 64 letters (A to Z, a to z), digits, _ and - are allowed, and no - at the beginning",
    NAMESPACE: "1 to 60 small letters (a to z), digits and - are allowed",
    RUN_ID: "no line breaks, tabs or other control characters are allowed",
    EXECUTION: "an execution's whole UUID is wanted, such as 0f7c8a3e-5b1d-8e2f-9a4b-6c7d8e9f0a1b",
    URL: "an address that begins with http:// or https:// is wanted",
    ADDRESS: "an address of Apprise's is wanted, such as mailtos://... or jsons://...",
}
"""The patterns of the models, in words."""


def faults(error: ValidationError, limit: int = 20) -> tuple[dict[str, JsonValue], ...]:
    """Each fault as {field, problem, value}: where it is, what would be right, what came. At most `limit`."""
    return described(error.errors(include_url=False), limit)


def described(errors: Sequence[ErrorDetails], limit: int = 20) -> tuple[dict[str, JsonValue], ...]:
    """The same, of what pydantic has found."""
    true = [one for one in errors if not _follows(one)]
    return tuple(fault(one, true[:BESIDE]) for one in true[:limit])


def _follows(error: ErrorDetails) -> bool:
    """Whether a list is only too short because what is wrong in it was left out."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def sentence(error: ValidationError) -> str:
    """All faults as one line for a log or a dead letter."""
    return "; ".join(f"{f['field']}: {f['problem']} (got {f['value']})" for f in faults(error, limit=5))


class _Short(reprlib.Repr):
    """Values as JSON, never written out whole; a string alone in quotes, as in a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = VALUE_SHOWN

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(x, level) if level == self.maxlevel else _quoted(x[:VALUE_SHOWN])

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_str(x[: 2 * VALUE_SHOWN].decode("utf-8", "backslashreplace"), level)

    def repr_tuple(self, x: tuple[Any, ...], level: int) -> str:
        return self.repr_list(list(x[: self.maxlist + 1]), level)

    def repr_timedelta(self, x: timedelta, level: int) -> str:
        return self.repr1(x.total_seconds(), level)

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
    more = error.get("ctx", {})
    ours = _SAID.get(error["type"]) or PATTERNS.get(more.get("pattern", ""))
    said = ours.format(**more) if ours else error["msg"]
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
    return nearest(str(name), known) or _ask(missing if len(missing) == len(extra) == 1 else ())


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is nearly the same, as the end of a sentence; empty where there is none."""
    return _ask(get_close_matches(name, list(known), n=1))


def _ask(names: Iterable[str]) -> str:
    return "".join(f"; did you mean {one}?" for one in names)


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
