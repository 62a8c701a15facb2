"""How an attempt can end, as the worker's parts tell each other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

ERROR_CHARACTERS = 1000
"""Of an error's text that go into the result; the whole of it stands in the log."""

LINE_CHARACTERS = 8000
"""A longer line of output is broken."""


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
    match value:
        case set() | frozenset():
            raise TypeError("a set has no order; return a list of it, as sorted() makes one")
        case dict():
            value = value.values()
        case list() | tuple():
            pass
        case _:
            value = [getattr(value, name, None) for name in _fields(value)]
    for one in value:
        _refuse_sets(one)


def _fields(value: Any) -> Sequence[str]:
    """The names of what the encoder takes of a structure, a dataclass, or what attrs made."""
    kind = type(value)
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    attributes = getattr(kind, "__attrs_attrs__", ())
    return [*getattr(kind, "__dataclass_fields__", ()), *(one.name for one in attributes)]


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
