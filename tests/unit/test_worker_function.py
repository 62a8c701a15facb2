"""Functions of pipeline files, called as a warm process calls them."""

import dataclasses
from enum import Enum
from typing import Any, ClassVar

import attrs
import msgspec
import pytest

from pipelines.builtin import FUNCTIONS
from streams.engine.records import Job
from streams.worker.kinds.function import Functions
from streams.worker.outcomes import Outcome, encode_result

LIMIT = 1000


def nothing() -> None:
    """Do nothing."""


@dataclasses.dataclass
class Picture:
    """What the encoder takes apart."""

    colours: Any


class Frame(msgspec.Struct):
    """The same."""

    picture: Any


@dataclasses.dataclass
class Parsed:
    """Sets that the encoder does not take: of the class, and of the call that makes one."""

    kinds: ClassVar[set[str]] = {"a", "b"}
    skip: dataclasses.InitVar[frozenset[str]] = frozenset("ab")
    rows: Any = 1


@attrs.define
class Counted:
    """The same, of attrs: it leaves out what is private."""

    rows: Any = 1
    _seen: set[str] = attrs.field(factory=lambda: {"a"})


class Sparse(msgspec.Struct, omit_defaults=True):
    """The same, where what is at its default is left out."""

    rows: Any = 1
    seen: set[str] = msgspec.field(default_factory=set)
    known: frozenset[str] = frozenset("ab")


class Palette(Enum):
    """The encoder takes a member's value."""

    WARM = frozenset({"red"})


SETS = [
    [Palette.WARM],
    [{"colours": {"red"}}],
    [Picture({"red"})],
    [Frame((frozenset("r"),))],
    [Parsed(rows=set())],
    [Counted({1})],
    [Sparse(2, {"a"})],
    [Sparse(2, known=frozenset("bc"))],
]


def job(function: str) -> Job:
    """An attempt of a task that calls it."""
    call = msgspec.json.encode({"function": function})
    return Job(b"e" * 16, 1, 1, "w", "t", "r", "function", 5, 0, 0, call, b"")


@pytest.mark.parametrize(("count", "told"), [(0, ": none;"), (2, ": f00, f01;"), (13, ", f09 and 3 more;")])
def test_an_unknown_function_is_refused_with_those_that_there_are(count: int, told: str) -> None:
    """Those of the person's files: how many are left out is said, and what comes with Headrace is none of them."""
    known: dict[str, Any] = {f"f{number:02}": nothing for number in range(count)}
    outcome = Functions({**FUNCTIONS, **known}, LIMIT).run(job("f"))
    assert outcome.outcome == "refused"
    assert told in outcome.error
    assert "headrace." not in outcome.error


def test_a_slip_in_a_functions_name_is_answered_with_what_was_meant() -> None:
    """Before all those that there are, which may be many."""
    outcome = Functions({"greet": nothing, "load": nothing}, LIMIT).run(job("gret"))
    assert outcome.error.startswith(
        "this worker has no function 'gret'; did you mean greet? its pipeline files register: greet, load; "
    )


def test_where_a_file_was_not_loaded_that_may_be_the_reason() -> None:
    """Nobody can know whether that file or one that is gone defined it: both are said."""
    outcome = Functions(FUNCTIONS, LIMIT, ("mine/hello.py:6: no option 'retrys'", "mine/b.py:1: ...")).run(job("greet"))
    assert "no function 'greet'" in outcome.error
    assert "its file is gone, or is one that was not loaded" in outcome.error
    assert outcome.error.endswith(": mine/hello.py:6: no option 'retrys' (and 1 more)")
    assert "came later" not in outcome.error


@pytest.mark.parametrize("value", SETS)
def test_a_set_is_no_json(value: Any) -> None:
    """However deep inside, it would become a list in an order of its own; what to do is said."""
    outcome = Functions({"f": lambda: value}, LIMIT).run(job("f"))
    assert outcome.outcome == "failed"
    assert outcome.error == (
        "the result, of type list, is not JSON: a set has no order; return a list of it, as sorted() makes one"
    )


def test_a_structure_is_json() -> None:
    """Of sets there is none in it."""
    assert encode_result(Frame(Picture(["red"])), LIMIT).result == b'{"picture":{"colours":["red"]}}'


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Parsed(), b'{"rows":1}'),
        (Counted(), b'{"rows":1}'),
        (Sparse(), b"{}"),
        ([Sparse(Sparse(2))], b'[{"rows":{"rows":2}}]'),
    ],
)
def test_a_set_that_stays_behind_is_no_obstacle(value: Any, result: bytes) -> None:
    """The encoder does not take it, so that the result has an order."""
    assert encode_result(value, LIMIT) == Outcome("succeeded", result)
