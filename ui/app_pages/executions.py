"""Where is mine, which are wrong?"""

import math

import streamlit as st

from pipelines.views import ExecutionPage, ExecutionRow
from ui.parts import actions, api, clock, filters, formats, header
from ui.parts.answers import ask, guarded
from ui.parts.table import Table

TABLE = Table("executions")
SIZES = (25, 50, 100)
_TRAIL, _TRAIL_OF = "_trail", "_trail_of"
"""The cursors that led to the page shown, and the filters they belong to."""


def show_executions(head: header.Header) -> None:
    """Bulk actions, the table, the pages."""
    try:
        query = filters.chosen() | filters.period(head.span, clock.now(), clock.zone())
    except ValueError as error:
        st.text(str(error))
        return
    order, limit = st.session_state.get("order") or "newest", st.session_state.get("size") or SIZES[0]
    shape = (repr(filters.chosen()), head.span, order, limit)
    trail = _trail(shape)
    more = {"cursor": trail[-1]} if trail else {}
    answer = ask(f"page {shape} {trail}", api.executions, {**query, "order": order, "limit": limit, **more})
    fresh = header.freshness(head, answer)
    if (page := answer.value) is None:
        return
    with st.container(key="new-list" if fresh else "old-list"):
        draw(page, query, head.span or "24h", (shape, tuple(trail)), limit)


def draw(page: ExecutionPage, query: filters.Chosen, span: str, shown: object, limit: int) -> None:
    """The list as answered, or the honest reason why it is empty."""
    rows, held = TABLE.hold(page.items, shown)
    bulk_bar(page.total, query, held)
    if not rows:
        nothing(query, span)
        return
    TABLE.draw(rows)
    pager(page, limit)


def _trail(shape: object) -> list[str]:
    if st.session_state.get(_TRAIL_OF) != shape:
        st.session_state[_TRAIL_OF], st.session_state[_TRAIL] = shape, []
    found: list[str] = st.session_state.setdefault(_TRAIL, [])
    return found


def bulk_bar(total: int, query: filters.Chosen, held: int) -> None:
    """What can be done with the ticked ones, or with all that match."""
    ticked = TABLE.ticked
    with st.container(horizontal=True, vertical_alignment="center", key="hr-bulk", gap="small"):
        said = f"**{total:,}** match" + (f" · **{len(ticked)}** ticked" if ticked else "")
        st.markdown(f"{said} · {held} newer held back while rows are ticked" if held else said)
        if ticked:
            _on_ticked(ticked)
        else:
            _on_all(total, query)


def _on_ticked(ticked: dict[str, ExecutionRow]) -> None:
    for verb in ("cancel", "retry"):
        can = sum(actions.possible(verb, row) for row in ticked.values())
        if st.button(f"{verb.capitalize()} {len(ticked)}", key=f"bulk_{verb}", disabled=not can):
            actions.ask(actions.Request(verb, ids=tuple(ticked), after=TABLE.clear))
    st.button("Untick", key="untick", type="tertiary", on_click=TABLE.clear)


def _on_all(total: int, query: filters.Chosen) -> None:
    options = {"Cancel all that match": "cancel", "Retry all that match": "retry"}
    label = f"All {total:,} that match"
    picked = st.menu_button(label, list(options), key="bulk_all", disabled=not total)
    if picked:
        verb: api.Verb = "cancel" if options[picked] == "cancel" else "retry"
        actions.ask(actions.Request(verb, match=query, seen=total))


def nothing(query: filters.Chosen, span: str) -> None:
    """Why the list is empty, and the way out."""
    chosen = filters.chosen()
    if chosen:
        st.text(f"No execution matches. Filters: {filters.described(chosen)}; range: {span}.")
        st.button("Clear filters", key="clear_empty", on_click=filters.clear)
    if span == "all":
        if not chosen:
            st.info("Nothing has run yet. Create a task, or send one to the submit topic.")
        return
    elsewhere = {k: v for k, v in query.items() if k not in {"since", "until"}}
    last = ask(f"last {elsewhere}", api.executions, {**elsewhere, "limit": 1}).value
    if last and last.items:
        age = formats.duration((clock.now() - last.items[0].created_at).total_seconds() * 1000)
        st.text(f"None in this range; the last one is {age} old.")
        st.button("Show it", key="go_last", on_click=_widen)
    elif not chosen:
        st.info("Nothing has run yet. Create a task, or send one to the submit topic.")


def _widen() -> None:
    st.session_state["range"] = "all"


def pager(page: ExecutionPage, limit: int) -> None:
    """Forward and back through the pages that the API makes."""
    trail: list[str] = st.session_state[_TRAIL]
    pages = max(math.ceil(page.total / limit), 1)
    with st.container(horizontal=True, vertical_alignment="center", key="hr-pager", gap="small"):
        st.button("", icon=":material/chevron_left:", key="back", help="Back", disabled=not trail, on_click=_back)
        st.text(f"page {len(trail) + 1} of {pages:,}")
        st.button(
            "", icon=":material/chevron_right:", key="next", help="On", disabled=not page.next,
            on_click=_on, args=(page.next,),
        )  # fmt: skip
        st.selectbox(
            "Rows", SIZES, key="size", bind="query-params", label_visibility="collapsed", width=120,
            format_func="{} rows".format,
        )  # fmt: skip


def _back() -> None:
    st.session_state[_TRAIL] = st.session_state[_TRAIL][:-1]


def _on(cursor: str) -> None:
    st.session_state[_TRAIL] = [*st.session_state[_TRAIL], cursor]


def pools() -> list[str]:
    """The pools' names for the filter, as far as the API knows them now."""
    view = ask("pools", api.overview, clock.now().replace(minute=0, second=0, microsecond=0)).value
    return [pool.pool for pool in view.pools] if view else []


@guarded
def page() -> None:
    """The whole page."""
    head = header.header("Executions", ranges=filters.RANGES)
    if head.span == "custom":
        filters.custom_range()
    filters.bar(pools())
    actions.dialogs()
    st.fragment(guarded(show_executions), run_every=head.every)(head)


page()
