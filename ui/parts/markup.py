"""The only way from text to HTML: every text is escaped, whoever wrote it."""

import html
import unicodedata
from datetime import datetime, tzinfo
from typing import Literal

import streamlit as st

from ui.parts import formats


class Markup(str):
    """HTML that was built by `tag` and holds no text that was not escaped."""

    __slots__ = ()

    def __add__(self, other: str) -> "Markup":
        """Join with more HTML; a plain text is escaped on the way."""
        return Markup(str.__add__(self, escape(other)))


def escape(text: str) -> Markup:
    """A text as HTML: nothing in it is interpreted, and control characters become visible."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(visible(text)))


def visible(text: str) -> str:
    """A text without control characters (new lines and tabs stay), so that it cannot play with the reader."""
    return "".join(c if c in "\n\t" or not _hidden(c) else "�" for c in text)


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"}


def tag(name: str, *content: str, **attributes: str) -> Markup:
    """An element. `content` is escaped unless it is Markup; `class_` becomes `class`, `data_x` becomes `data-x`."""
    given = "".join(f' {k.rstrip("_").replace("_", "-")}="{html.escape(v)}"' for k, v in attributes.items())
    return Markup(f"<{name}{given}>{''.join(escape(c) for c in content)}</{name}>")


def show(*content: str, width: Literal["stretch", "content"] = "stretch") -> None:
    """Draw on the page."""
    st.html("".join(escape(c) for c in content) or "<span></span>", width=width)


def with_code(text: str) -> Markup:
    """A sentence whose parts between backticks are names."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("".join(tag("code", part) if at % 2 else escape(part) for at, part in enumerate(parts)))


def clock(at: datetime | None, now: datetime, zone: tzinfo) -> Markup:
    """A time with its ISO form as a tooltip."""
    return tag("time", formats.moment(at, now, zone), title=formats.exact(at, zone))


def facts(pairs: list[tuple[str, str]]) -> Markup:
    """A dense grid of names and values."""
    cells = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs]
    return tag("dl", *cells, class_="hr-facts")
