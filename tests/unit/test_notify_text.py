from pathlib import Path

import pytest
from msgspec.structs import replace

from sinks.notify.text import _FILTERS, BODY_LIMIT, TITLE_LIMIT, check_template, compose, names
from streams.engine.events import Notification
from streams.engine.records import Execution, Rule

EXECUTION = Execution(
    id=bytes(16),
    task="weather.clean",
    run="monday",
    kind="function",
    state="failed",
    attempt=2,
    error="ValueError: no rain",
    ready_at=1_700_000_000_000,
    started_at=1_700_000_001_500,
    finished_at=1_700_000_004_000,
)


def notification(title: str = "", body: str = "", **changes: object) -> Notification:
    """A failure, told by a rule with these templates."""
    fields = {name: getattr(EXECUTION, name) for name in EXECUTION.__struct_fields__}
    rule = Rule(on=("failed",), to=("json://localhost",), title=title, body=body)
    return Notification("failed", 1_700_000_004_000, rule, Execution(**{**fields, **changes}))


def test_the_standard_text_says_what_happened() -> None:
    """The title names task and happening, the body the known facts."""
    text = compose(notification())
    assert text.title == "weather.clean failed"
    assert "error: ValueError: no rain\nrun: monday\nexecution: 00000000-0000" in text.body
    assert "worker" not in text.body
    assert text.problem == ""


def test_what_was_lost_has_no_duration() -> None:
    """When it ended nobody knows, only when it was found lost."""
    text = compose(replace(notification("{{ ran }}"), lost=True))
    assert text.title == "0.0"
    assert "found lost at: 2023-11-14 22:13:24" in text.body
    assert "finished at" not in text.body
    assert "finished at: 2023-11-14 22:13:24" in compose(notification()).body


def test_a_rules_own_templates_are_used() -> None:
    """Values, conditions, filters and joined strings."""
    text = compose(
        notification(
            "{{ task|upper }}: {{ error or 'fine' }}",
            "{% if ran > 2 %}slow{% elif waited == 1.5 %}late{% endif %} {{ 'run ' ~ run }} {{ (ran + 1)|round(1) }}",
        )
    )
    assert (text.title, text.body) == ("WEATHER.CLEAN: ValueError: no rain", "slow run monday 3.5")


def test_one_template_alone_leaves_the_other_standard() -> None:
    """A title of one's own with the standard body."""
    text = compose(notification("Look!"))
    assert text.title == "Look!"
    assert text.body.startswith("error: ")


@pytest.mark.parametrize(
    "template",
    [
        "{{ task.__class__.__mro__ }}",
        "{{ ''.join(['a']) }}",
        "{{ 'a' * 9999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%9999999999d' % 1 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% set x = 1 %}{{ x }}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% include '/etc/passwd' %}",
        "{% extends '/etc/passwd' %}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ task['__class__'] }}",
        "{{ [1, 2] }}",
        "{{ task|replace('a', 'aaaaaaaa') }}",
        "{{ task|attr('__class__') }}",
        "{{ no_such_name }}",
        "{{ 1 / 0 }}",
        "{{ unclosed",
        "{{" + "(" * 5000,
        "{{ " + "not " * 1900 + "1 }}",
        "{% if " * 1000,
    ],
)
def test_a_bad_template_is_harmless(template: str) -> None:
    """The standard text goes out at once, says that the template failed, and shows nothing of the machine."""
    text = compose(notification(body=template))
    assert text.title == "weather.clean failed"
    assert "this rule's own template could not be used" in text.body
    assert text.problem
    assert "root:" not in text.body


def test_values_are_not_templates() -> None:
    """What a task writes into its error is shown, not run."""
    text = compose(notification(body="{{ error }}", error="{{ 7 * 7 }} {% for %}"))
    assert (text.body, text.problem) == ("{{ 7 * 7 }} {% for %}", "")


def test_control_characters_and_line_breaks_do_not_pass() -> None:
    """A title is one line (a mail's header), and nobody's terminal is steered."""
    text = compose(notification("{{ error }}", "{{ error }}", error="a\r\nBcc: all@example.org\x1b[2J\x00\u202eb"))
    assert text.title == "a Bcc: all@example.org [2J b"
    assert text.body == "a \nBcc: all@example.org [2J  b"


def test_long_texts_are_cut() -> None:
    """And end in an ellipsis."""
    text = compose(notification("{{ error }}" * 2, "{{ error }}" * 10, error="x" * 100_000))
    assert (len(text.title), len(text.body)) == (TITLE_LIMIT, BODY_LIMIT)
    assert text.body.endswith("…")


def test_a_template_can_be_checked_before_it_is_used() -> None:
    """With a sentence that says where and what."""
    check_template("{{ task }}")
    with pytest.raises(ValueError, match="line 2 has a For"):
        check_template("\n{% for a in b %}{% endfor %}")


def test_every_value_is_documented() -> None:
    """docs/notifications.md names each of them, and the filters."""
    text = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    assert [name for name in (*names(), *_FILTERS) if f"`{name}`" not in text and name != "d"] == []
