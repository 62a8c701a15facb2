"""How an attempt can end, as the worker's parts tell each other."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, NamedTuple

import msgspec

ERROR_CHARACTERS = 1000
"""Of an error's text that go into the result; the whole of it stands in the log."""

LINE_CHARACTERS = 8000
"""A longer line of output is broken."""

_PLAIN = frozenset({str, int, float, bool, NoneType})
"""Most of what a result is made of, and nothing is inside."""


class Outcome(NamedTuple):
    """`outcome` is one of commands.Finished; `result` is JSON, empty for none."""

    outcome: str
    result: bytes = b""
    error: str = ""
    cut: bool = False


class KindError(Exception):
    """An attempt ends otherwise than by success; the text is for people."""

    outcome = "failed"


class RefusedError(KindError):
    """The attempt can never work on this worker: no retry helps."""

    outcome = "refused"


class SkippedError(KindError):
    """The code asked to be skipped."""

    outcome = "skipped"


def encode_result(value: Any, limit: int) -> Outcome:
    """A returned value as JSON; a value that is none, or more than `limit` bytes of it, is a failure."""
    if value is None:
        return Outcome("succeeded")
    try:
        result = msgspec.json.encode(value)
        if len(result) <= limit:
            _refuse_sets(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = f"the result, of type {type(value).__name__}, is not JSON: {error}"
        return Outcome("failed", error=reason[:ERROR_CHARACTERS])
    return sized(result, limit)


def _refuse_sets(value: Any) -> None:
    """Raise TypeError where there is a set in it: the encoder would make a list of it, in whatever order it has."""
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, set | frozenset):
            raise TypeError("a set has no order; return a list of it, as sorted() makes one")
        rest += [inner for inner in _inside(one) if type(inner) not in _PLAIN]


def _inside(value: Any) -> Iterable[Any]:
    """What the encoder takes of it: of a container, an enum's member, a structure, a dataclass, or what attrs made."""
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case Enum():
            return [value.value]
        case msgspec.Struct():
            return _of_struct(value)
    if is_dataclass(value):
        names = [one.name for one in fields(value)]
    else:
        names = [one.name for one in getattr(value, "__attrs_attrs__", ()) if not one.name.startswith("_")]
    return [getattr(value, name, None) for name in names]


def _of_struct(value: msgspec.Struct) -> list[Any]:
    """The same of a structure, which may leave out what is at its default: an empty set, or that very object."""
    taken = [getattr(value, name, None) for name in value.__struct_fields__]
    config = value.__struct_config__
    if not config.omit_defaults or config.array_like:
        return taken
    defaults = value.__struct_defaults__
    return [one for one in taken if one != set() and all(one is not default for default in defaults)]


def sized(result: bytes, limit: int) -> Outcome:
    """A success with this JSON, or a failure where it is too large."""
    if len(result) <= limit:
        return Outcome("succeeded", result)
    reason = (
        f"the result is {len(result):,} bytes as JSON and the limit is {limit:,}; "
        "write it to a table or a file and return where it is"
    )
    return Outcome("failed", error=reason)


def clean(text: str) -> str:
    """Text that can travel: what is no Unicode is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """An error as one line, shortened: its type and its text."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  (the user's own __str__)
        text = "(its text cannot be had)"
    name = type(error).__name__
    return clean(f"{name}: {text}" if text else name)[:ERROR_CHARACTERS]
