"""The filter bar. Every filter lives in the address, so a list can be sent to somebody and shows them the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import streamlit as st

from ui.parts import header, states

MULTIPLE = ("state", "pool", "queue", "priority", "kind")
SINGLE = ("text", "task", "pipeline", "run", "owner")
KINDS = ("function", "python", "shell", "sql", "http", "external", "sleep")
ORDERS = {"newest": "newest first", "oldest": "oldest first", "priority": "priority", "waited": "longest wait"}
RANGES = (*header.RANGES, "all", "custom")

Chosen = dict[str, str | list[str]]


def bar(pools: Sequence[str]) -> None:
    """Draw the filters; `chosen` reads them."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="hr-filters", gap="small"):
        st.text_input(
            "Search", type="search", live="300ms", key="text", bind="query-params",
            placeholder="task, run or id", width=220,
        )  # fmt: skip
        _several("State", "state", list(states.LOOKS), 230, format_func=lambda s: states.LOOKS[s].label)
        _several("Priority", "priority", [str(p) for p in range(9, -1, -1)], 130, format_func=lambda p: f"P{p}")
        _several("Pool", "pool", list(pools), 150, accept_new_options=True)
        with st.popover(_more_label(), width="content"):
            _rare()
        st.toggle("Late only", key="late", bind="query-params")
        st.selectbox("Order", list(ORDERS), key="order", bind="query-params", format_func=ORDERS.__getitem__, width=140)
        if described(chosen()):
            st.button("Clear", on_click=clear, key="clear_filters", type="tertiary", help="Remove all filters")


def _rare() -> None:
    for key, label in (("task", "Task"), ("pipeline", "Pipeline"), ("run", "Run"), ("owner", "Owner")):
        st.text_input(label, key=key, bind="query-params", placeholder="exactly")
    _several("Queue", "queue", [], 300, accept_new_options=True)
    _several("Kind", "kind", list(KINDS), 300)


def _more_label() -> str:
    used = sum(bool(st.session_state.get(key)) for key in ("task", "pipeline", "run", "owner", "queue", "kind"))
    return f"More ({used})" if used else "More"


def _several(label: str, key: str, options: list[str], width: int, **more: Any) -> None:
    known = [*options, *(v for v in _addressed(key) if v not in options)] if more.get("accept_new_options") else options
    st.multiselect(label, known, key=key, bind="query-params", placeholder="any", width=width, **more)


def _addressed(key: str) -> list[str]:
    return [*st.query_params.get_all(key), *(st.session_state.get(key) or [])]


def custom_range() -> None:
    """Two times that people type; shown where the range is `custom`."""
    with st.container(horizontal=True, key="hr-custom", gap="small"):
        st.text_input("From", key="since", bind="query-params", placeholder="2026-11-23 16:00", width=220)
        st.text_input("To", key="until", bind="query-params", placeholder="now", width=220)


def chosen() -> Chosen:
    """The filters in force, as the API's parameters (range and page apart)."""
    state = st.session_state
    found: Chosen = {key: list(state[key]) for key in MULTIPLE if state.get(key)}
    found |= {key: state[key].strip() for key in SINGLE if (state.get(key) or "").strip()}
    return found | {"late": "true"} if state.get("late") else found


def period(span: str | None, now: datetime, zone: tzinfo) -> dict[str, str]:
    """The range as the API's parameters. Raises ValueError where a typed time is none."""
    if span != "custom":
        start = header.since(span, now)
        return {"since": start.isoformat(timespec="seconds")} if start else {}
    typed = {key: header.parse_moment(st.session_state.get(key) or "", zone) for key in ("since", "until")}
    return {key: at.isoformat() for key, at in typed.items() if at}


def described(filters: Mapping[str, str | Sequence[str]]) -> str:
    """The filters in words: `state failed or lost, pool gpu`."""
    return ", ".join(_one(key, value) for key, value in filters.items())


def _one(key: str, value: str | Sequence[str]) -> str:
    if key == "late":
        return "late"
    return f"{key} {value if isinstance(value, str) else ' or '.join(value)}"


def clear() -> None:
    """Back to no filter at all (a callback)."""
    for key in MULTIPLE:
        st.session_state[key] = []
    for key in SINGLE:
        st.session_state[key] = ""
    st.session_state["late"] = False
