"""What is said of input that is not valid."""

import json
import re
from datetime import timedelta

import pytest
from pydantic import ValidationError

from pipelines.events import PUBLIC_EVENT
from pipelines.faults import PATTERNS, faults, field, sentence, shown
from pipelines.model import NAMESPACE


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("body", "one", "submit", "task", "sql", "sql"), "task.sql"),
        (("body", "many", 3, "execute", "task"), "[3].task"),
        (("create", "pipeline", "tasks", 0, "shell", "env", "shell"), "pipeline.tasks[0].env.shell"),
        (("query", "limit"), "limit"),
        (("body", "query"), "query"),
        (("body", "create"), "body"),
        ((), "event"),
    ],
)
def test_places_are_named_as_people_write_them(place: tuple[int | str, ...], name: str) -> None:
    """What pydantic and FastAPI add to a place is left out, and fields of the same names are not."""
    assert field(place) == name


def test_faults_say_where_what_and_why() -> None:
    """A fault names the field, what would be right, and the value that came, shortened."""
    event = {"type": "submit", "task": {"id": "a" * 500, "kind": "external", "priority": 12}}
    with pytest.raises(ValidationError) as caught:
        PUBLIC_EVENT.validate_python(event)
    name, priority = faults(caught.value)
    assert name["field"] == "task.id"
    assert len(str(name["value"])) <= 80
    assert priority == {"field": "task.priority", "problem": "Input should be less than or equal to 9", "value": "12"}
    assert "task.priority: Input should be less than or equal to 9 (got 12)" in sentence(caught.value)


def test_a_field_may_have_the_name_of_a_tag() -> None:
    """What is known to be a field is not taken for pydantic's word for a member of a union."""
    assert field(("body", "sql"), named=True) == "sql"
    assert field(("body",), named=True) == "body"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": None, "b": (True, "ä\x1b")}, r'{"a": null, "b": [true, "ä\u001b"]}'),
        ("it", "'it'"),
        (timedelta(seconds=-1), "-1.0"),
        (b"no {json", "'no {json'"),
        (60 * "x", f"'{60 * 'x'}'"),
    ],
)
def test_values_are_shown_without_a_word_of_python(value: object, text: str) -> None:
    """As JSON; text alone in quotes, and what cannot be printed escaped."""
    assert shown(value) == text


def test_a_large_value_is_shortened_without_being_written_out() -> None:
    """Also a list of a million values is shown in a line."""
    assert len(shown(list(range(1_000_000)))) <= 80
    assert shown("a\x1b[0m") == r"'a\x1b[0m'"


def test_every_pattern_is_said_in_words() -> None:
    """Who misnames something reads which characters are allowed, and no regular expression."""
    patterns = set(re.findall(r'"pattern": ?"(.*?)"', json.dumps(PUBLIC_EVENT.json_schema())))
    assert patterns == {json.dumps(one)[1:-1] for one in PATTERNS.keys() - {NAMESPACE}}
    with pytest.raises(ValidationError) as caught:
        PUBLIC_EVENT.validate_python({"type": "delete", "task": "my task"})
    words = "1 to 200 letters (A to Z, a to z), digits and _ . : - are allowed, and none of . : - at the beginning"
    assert sentence(caught.value) == f"task: {words} (got 'my task')"
