"""The pages, and the addresses that lead to exactly what was counted."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import streamlit as st

from pipelines.command import command

OVERVIEW = "app_pages/overview.py"
EXECUTIONS = "app_pages/executions.py"
EXECUTION = "app_pages/execution.py"

TITLES = {"": "Overview", "executions": "Executions", "execution": "Execution"}
"""What each page is called, by its path in the address."""

_LEFT = "_left"

Query = Mapping[str, str | Sequence[str]]


def tab(title: str) -> str:
    """What a browser's tab and history say."""
    return f"{title} · Headrace"


def open_execution(name: str) -> NoReturn:
    """Go to an execution's page, and remember this page's address for `come_back`."""
    st.session_state[_LEFT] = {key: st.query_params.get_all(key) for key in st.query_params if key != "id"}
    st.switch_page(EXECUTION, query_params={"id": name})


def come_back(page: str) -> None:
    """Put the address of `page` back when someone returns from an execution; called before anything is drawn.

    Streamlit adds two entries to the browser's history when it opens an execution: this page with that page's `id`
    instead of its own parameters, and that page. One step back leads to the first, where widgets forget their values.
    """
    left = st.session_state.pop(_LEFT, {})
    if "id" in st.query_params:
        st.switch_page(page, query_params=left)


def nothing_yet() -> str:
    """What an empty system says, and how to fill it."""
    first = command("submit shell 'echo hi'")
    return f"Nothing has run yet. `{first}` runs a first task."


def listing(span: str = "all", /, **filters: str | Sequence[str]) -> dict[str, str | Sequence[str]]:
    """The address's parameters of the list with these filters, over a range (`all`: no limit)."""
    return {"range": span, **filters}
