"""Where is mine, which are wrong?"""

import math

import streamlit as st

from pipelines.requests import ExecutionFilter
from pipelines.views import ExecutionPage, ExecutionRow, Verb
from ui.parts import actions, api, clock, filters, formats, header, places
from ui.parts.answers import ask, guarded
from ui.parts.table import Table

TABLE = Table("executions")

# The cursors that led to the page shown, and what they are the pages of.
_TRAIL, _TRAIL_OF = "_trail", "_trail_of"
_SEEN = "_seen"


def show_executions(head: header.Header) -> None:
    """Bulk actions, the table, the pages."""
    span = head.span or "24h"
    try:
        chosen = filters.chosen()
        which = filters.within(chosen, span, clock.now(), clock.zone())
    except ValueError as error:
        st.text(str(error))
        return
    order, limit = filters.order(), st.session_state.get("size") or filters.SIZES[0]
    shown = (chosen, span, order, limit)
    trail = _trail(shown)
    cursor = trail[-1] if trail else ""
    name = f"page {shown!r} {cursor}"
    answer = ask(name, api.client().executions, which, order=order, limit=limit, cursor=cursor)
    header.freshness(head, answer)
    if answer.value is not None:
        with st.container(key="hr-data"):
            draw(answer.value, which, span, (shown, cursor), limit)


def draw(page: ExecutionPage, which: ExecutionFilter, span: str, shown: object, limit: int) -> None:
    """The list as answered, or the honest reason why it is empty."""
    rows, held = TABLE.hold(page.items, shown)
    bulk_bar(page.total, which, held)
    if not rows:
        nothing(which, span)
        return
    TABLE.draw(rows)
    pager(page, limit)


def _trail(shown: object) -> list[str]:
    if st.session_state.get(_TRAIL_OF) != shown:
        st.session_state[_TRAIL_OF], st.session_state[_TRAIL] = shown, []
    found: list[str] = st.session_state[_TRAIL]
    return found


def bulk_bar(total: int, which: ExecutionFilter, held: int) -> None:
    """What can be done with the ticked ones, or with all that match."""
    ticked = TABLE.ticked
    with st.container(horizontal=True, vertical_alignment="center", key="hr-bulk", gap="small"):
        said = f"**{total:,}** match" + (f", **{len(ticked)}** ticked" if ticked else "")
        st.markdown(f"{said}, {held} newer held back while rows are ticked" if held else said, width="content")
        if ticked:
            _on_ticked(ticked)
        elif total:
            _on_all(total, which)


def _on_ticked(ticked: dict[str, ExecutionRow]) -> None:
    verbs: tuple[Verb, ...] = ("cancel", "retry")
    for verb in verbs:
        can = any(actions.possible(verb, row) for row in ticked.values())
        if st.button(f"{verb.capitalize()} {len(ticked)}", key=f"bulk_{verb}", disabled=not can):
            actions.ask(actions.Request(verb, ids=tuple(ticked), after=TABLE.clear))
    st.button("Untick", key="untick", type="tertiary", on_click=TABLE.clear)


def _on_all(total: int, which: ExecutionFilter) -> None:
    options: dict[str, Verb] = {"Cancel all that match": "cancel", "Retry all that match": "retry"}
    seen = st.session_state.get(_SEEN, total)  # what stood on the button that was pressed
    picked = st.menu_button(f"All {total:,} that match", list(options), key="bulk_all")
    st.session_state[_SEEN] = total
    if picked:
        actions.ask(actions.Request(options[picked], match=which, seen=seen))


def nothing(which: ExecutionFilter, span: str) -> None:
    """Why the list is empty, and the way out."""
    said = filters.described(which)
    if said:
        st.text(f"No execution matches. Filters: {said}; range: {span}.")
        if st.button("Clear filters", key="clear_empty"):
            filters.set_later(**filters.nothing())
    ever = which.model_copy(update={"since": None, "until": None})
    last = ask(f"last {said}", api.client().executions, ever, limit=1).value
    if span != "all" and last and last.items:
        age = formats.duration((clock.now() - last.items[0].updated_at).total_seconds() * 1000)
        st.text(f"None in this range; the last one is {age} old.")
        if st.button("Show it", key="go_last"):
            filters.set_later(range="all")
    elif not said:
        st.info(places.nothing_yet())


def pager(page: ExecutionPage, limit: int) -> None:
    """Forward and back through the pages that the API makes."""
    trail: list[str] = st.session_state[_TRAIL]
    pages = max(math.ceil(page.total / limit), 1)
    with st.container(horizontal=True, vertical_alignment="center", key="hr-pager", gap="small"):
        st.button("", icon=":material/chevron_left:", key="back", help="Back", disabled=not trail, on_click=_back)
        st.text(f"page {len(trail) + 1} of {pages:,}", width="content")
        st.button(
            "", icon=":material/chevron_right:", key="next", help="On", disabled=not page.next, on_click=_on,
            args=(page.next,),
        )  # fmt: skip
        st.selectbox(
            "Rows", filters.SIZES, key="size", bind="query-params", label_visibility="collapsed", width=80,
        )  # fmt: skip
        st.text("rows a page", width="content")


def _back() -> None:
    st.session_state[_TRAIL] = st.session_state[_TRAIL][:-1]


def _on(cursor: str) -> None:
    st.session_state[_TRAIL] = [*st.session_state[_TRAIL], cursor]


def pools() -> list[str]:
    """The pools' names for the filter, as far as the API knows them now."""
    view = ask("pools", api.client().pools).value
    return [pool.pool for pool in view or ()]


@guarded
def page() -> None:
    """The whole page."""
    places.come_back(places.EXECUTIONS)
    filters.set_now()
    filters.note_address()
    head = header.header("Executions", ranges=filters.RANGES)
    if head.span == "custom":
        filters.custom_range()
    filters.bar(pools())
    actions.dialogs()
    if filters.wrong_address():
        return
    st.fragment(guarded(show_executions), run_every=head.every)(head)


page()
