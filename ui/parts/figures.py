"""Figures that are links: every count leads to exactly the rows it counted."""

from collections.abc import Mapping, Sequence

import streamlit as st

from pipelines.views import StateName
from ui.parts import formats, places, states
from ui.parts.markup import Markup, show, tag


def figure(name: str, label: str, value: int, query: places.Query, below: str = "", *, alarm: bool = False) -> None:
    """A large figure with its name above and one more fact below. `alarm` colours it as a failure."""
    with st.container(border=True, key=f"figure-{'alarm-' if alarm else ''}{name}", height="stretch"):
        show(tag("span", label, class_="hr-caption"))
        st.page_link(
            places.EXECUTIONS, label=formats.count(value), query_params=query, help=f"{value:,}: open the list"
        )
        show(tag("span", below or Markup("&nbsp;"), class_="hr-caption"))


def plain_figure(name: str, label: str, value: str, below: str = "") -> None:
    """A large figure that counts no rows, so leads nowhere."""
    with st.container(border=True, key=f"figure-{name}", height="stretch"):
        show(tag("span", label, class_="hr-caption"))
        show(tag("span", value, class_="hr-figure"))
        show(tag("span", below or Markup("&nbsp;"), class_="hr-caption"))


def state_counts(title: str, counts: Mapping[StateName, int], order: Sequence[StateName], span: str) -> None:
    """A line of states with their counts."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"counts-{span}", gap="small"):
        show(tag("span", title, class_="hr-caption hr-count"), width="content")
        for state in order:
            with st.container(key=f"count-{state}", width="content"):
                label = f"{states.LOOKS[state].label}  **{formats.count(counts.get(state, 0))}**"
                st.page_link(places.EXECUTIONS, label=label, query_params=places.listing(span, state=state))
