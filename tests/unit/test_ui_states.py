"""The state chip and the only way from text to HTML."""

import tomllib
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

import ui
from pipelines.views import TERMINAL_STATES, StateName
from streams.engine.records import State
from ui.parts import markup, states

CONFIG = tomllib.loads((Path(ui.__file__).parent / ".streamlit" / "config.toml").read_text())


def test_every_state_of_the_engine_has_a_look() -> None:
    """No state of the engine is unknown to the dashboard, and it knows no other."""
    assert set(states.LOOKS) == set(get_args(StateName)) == {str(s) for s in State}


def test_states_are_told_apart_without_colour() -> None:
    """Icon and word are different for every state."""
    looks = [*states.LOOKS.values(), states.LATE]
    assert len({look.word for look in looks}) == len({look.icon for look in looks}) == len(looks)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [*states.LOOKS.values(), states.LATE], ids=lambda look: look.word)
def test_states_are_readable_on_both_themes(look: states.Look) -> None:
    """The text of a state has a contrast of 5.4 or more on all backgrounds of its theme (WCAG asks for 4.5)."""
    for theme, colour in (("light", look.light), ("dark", look.dark)):
        grounds = CONFIG["theme"][theme]
        for ground in (grounds["backgroundColor"], grounds["secondaryBackgroundColor"]):
            assert _contrast(colour, ground) >= 5.39


def test_an_ended_state_is_in_one_group_only() -> None:
    """The two groups of the overview are all states, once."""
    assert {*states.ENDED} == TERMINAL_STATES
    assert not {*states.ENDED} & {*states.ACTIVE}
    assert {*states.ENDED, *states.ACTIVE} == set(states.LOOKS)


def test_a_chip_says_icon_word_and_late() -> None:
    """The chip holds the icon and the word, and the mark of the late beside them."""
    shown = states.chip("waiting", late=True)
    assert "▪ waiting" in shown
    assert "! late" in shown
    assert "late" not in states.chip("waiting")


HOSTILE = ['<img src=x onerror="alert(1)">', "<script>alert(1)</script>", "' onmouseover='x", "&lt;", "</span><b>"]


@pytest.mark.parametrize(("text", "place"), [*product(HOSTILE, ["content", "attribute", "joined", "code"])])
def test_no_text_becomes_html(text: str, place: str) -> None:
    """Wherever a text stands, no element and no attribute comes from it."""
    made = {
        "content": markup.tag("p", text),
        "attribute": markup.tag("p", "x", title=text),
        "joined": markup.tag("p", "x") + text,
        "code": markup.tag("p", markup.with_code(f"waits for `{text}`")),
    }[place]
    inside = (
        made.removeprefix("<p").removesuffix("</p>").replace("<code>", "").replace("</code>", "").replace("</p>", "")
    )
    assert "<" not in inside
    assert inside.count('"') in {0, 2}


def test_hidden_characters_are_shown() -> None:
    """Control and direction characters cannot play with the reader; new lines stay."""
    assert markup.visible("a\x1b[31mb\u202ec\nd") == "a�[31mb�c\nd"


def test_backticks_name_things() -> None:
    """Parts between backticks are names; a lone backtick is only itself."""
    assert markup.with_code("in pool `gpu`") == "in pool <code>gpu</code>"
    assert markup.with_code("a ` b") == "a ` b"
