"""The filter bar. Every filter lives in the address, so a list can be sent to somebody and shows them the same.

What an option is called is what stands in the address, so the options are the API's own words.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, NoReturn, get_args

import streamlit as st
from pydantic import JsonValue

from pipelines.model import KindName
from pipelines.requests import ExecutionFilter, Order
from ui.parts import clock, formats, header, states

MULTIPLE = ("state", "pool", "queue", "priority", "kind")
SINGLE = ("text", "task", "pipeline", "run", "owner")
FOLDED = ("task", "pipeline", "run", "owner", "queue", "kind")
"""Those that stand under "More"."""
KINDS: tuple[KindName, ...] = get_args(KindName)
ORDERS: tuple[Order, ...] = get_args(Order)
_LATER = "_later"
_WRONG = "_wrong"
RANGES = (*header.RANGES, "all", "custom")
PRIORITIES = [formats.priority(p) for p in range(9, -1, -1)]
SIZES = (25, 50, 100)
"""Rows a page."""
KNOWN: dict[str, Sequence[str]] = {
    "state": tuple(states.LOOKS), "priority": PRIORITIES, "kind": KINDS, "order": ORDERS, "range": RANGES,
    "late": ("true", "false"), "size": tuple(map(str, SIZES)), header.refresh_key(): tuple(header.INTERVALS),
}  # fmt: skip
"""What may stand in the address, where that is not anything."""
KEYS = {*KNOWN, *MULTIPLE, *SINGLE, "since", "until", clock.ZONE_KEY}


def note_address() -> None:
    """Keep what the address asks for in vain: called before the filters are drawn, which take it out of there."""
    asked = {key: st.query_params.get_all(key) for key in st.query_params}
    before: dict[str, list[str]] = st.session_state.get(_WRONG, {})
    kept = {key: values for key, values in before.items() if key in KEYS and key not in asked}
    st.session_state[_WRONG] = kept | {key: bad for key, values in asked.items() if (bad := _in_vain(key, values))}


def _in_vain(key: str, values: list[str]) -> list[str]:
    return [value for value in values if value not in KNOWN.get(key, values)] if key in KEYS else values


def wrong_address() -> bool:
    """Say what the address asks for in vain, until somebody goes on without it; whether there is something."""
    found: dict[str, list[str]] = st.session_state[_WRONG]
    for key, value in ((key, value) for key, values in found.items() for value in values):
        asked = f"the {key if key in KEYS else formats.plain(key[:80])} {formats.plain(value[:80])}"
        st.error(f"The address asks for {asked}, which there is not. {_right(key)}")
    if found:
        st.button("Go on without it", key="without_wrong", on_click=_go_on)
    return bool(found)


def _go_on() -> None:
    """Forget what was asked for in vain (a callback); what no widget has taken out of the address goes here."""
    for key in st.session_state.pop(_WRONG, {}):
        if _in_vain(key, st.query_params.get_all(key)):
            st.query_params.pop(key, None)


def _right(key: str) -> str:
    if key not in KEYS:
        return f"Right would be one of: {', '.join(sorted(KEYS))}."
    several = f" Several are written {key}=one&{key}=another." if key in MULTIPLE else ""
    return f"Right would be: {', '.join(KNOWN[key])}.{several}"


def bar(pools: Sequence[str]) -> None:
    """Draw the filters; `chosen` reads them."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="hr-filters", gap="small"):
        st.text_input(
            "Search", type="search", live="300ms", key="text", bind="query-params",
            placeholder="task, run or id", width=190,
        )  # fmt: skip
        _several("State", "state", list(states.LOOKS), 210)
        _several("Priority", "priority", PRIORITIES, 110)
        _several("Pool", "pool", list(pools), 120, accept_new_options=True)
        with st.popover("More", width="content"):
            _rare()
        st.toggle("Late only", key="late", bind="query-params")
        st.selectbox("Order", ORDERS, key="order", bind="query-params", width=112)
        if any(st.session_state.get(key) for key in (*MULTIPLE, *SINGLE, "late")):
            st.button("Clear", on_click=clear, key="clear_filters", type="tertiary", help="Remove all filters")
    _chips()


def _rare() -> None:
    for key in ("task", "pipeline", "run", "owner"):
        st.text_input(key.capitalize(), key=key, bind="query-params", placeholder="exactly")
    _several("Queue", "queue", [], 300, accept_new_options=True)
    _several("Kind", "kind", list(KINDS), 300)


def _chips() -> None:
    """What is set under "More": a fold hides no filter. A click removes it."""
    used = [key for key in FOLDED if st.session_state.get(key)]
    if not used:
        return
    with st.container(horizontal=True, key="hr-chips", gap="small"):
        for key in used:
            label = f"{formats.plain(_one(key, st.session_state[key]))} ✕"
            st.button(label, key=f"drop_{key}", help="Remove this filter", on_click=_drop, args=(key,))


def _drop(key: str) -> None:
    st.session_state[key] = nothing()[key]


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


def chosen() -> ExecutionFilter:
    """The filters in force, the range apart. Raises ValueError where what was typed cannot be a filter."""
    state = st.session_state
    found: dict[str, Any] = {key: state[key] for key in MULTIPLE if state.get(key)}
    found |= {key: state[key].strip() for key in SINGLE if (state.get(key) or "").strip()}
    if "priority" in found:
        found["priority"] = [name.removeprefix("P") for name in found["priority"]]
    return ExecutionFilter.model_validate(found | ({"late": True} if state.get("late") else {}))


def order() -> Order:
    """The order of the list."""
    chosen: Order = st.session_state.get("order") or "newest"
    return chosen


def within(which: ExecutionFilter, span: str, now: datetime, zone: tzinfo) -> ExecutionFilter:
    """The filter over a range. Raises ValueError where a typed time is none."""
    if span != "custom":
        return which.model_copy(update={"since": header.since(span, now)})
    typed = {key: header.parse_moment(st.session_state.get(key) or "", zone) for key in ("since", "until")}
    return which.model_copy(update=typed)


def described(which: ExecutionFilter) -> str:
    """The filters in words, the range apart: `state failed or lost, pool gpu`."""
    named = which.model_dump(mode="json", exclude_defaults=True, exclude={"since", "until"})
    return ", ".join(_one(key, value) for key, value in named.items())


def _one(key: str, value: JsonValue) -> str:
    if key == "late":
        return "late"
    values = value if isinstance(value, list) else [value]
    return f"{key} {' or '.join(str(v).replace('_', ' ') if key == 'state' else str(v) for v in values)}"


def set_later(**values: object) -> NoReturn:
    """Change choices from inside a refreshing part: the next full run sets them, see `set_now`."""
    st.session_state[_LATER] = values
    st.rerun()


def set_now() -> None:
    """Set what `set_later` asked for; called before anything is drawn."""
    st.session_state.update(st.session_state.pop(_LATER, {}))


def clear() -> None:
    """Back to no filter at all (a callback)."""
    st.session_state.update(nothing())


def nothing() -> dict[str, object]:
    """What the filters hold when there is none."""
    return {**{key: [] for key in MULTIPLE}, **dict.fromkeys(SINGLE, ""), "late": False}
