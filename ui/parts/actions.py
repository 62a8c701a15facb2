"""Cancel and retry: every one is confirmed in a dialog that names what it will touch, as it stands now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from pipelines.requests import BULK_LIMIT, TOO_MANY, BulkRequest, ExecutionFilter
from pipelines.views import CHANGEABLE, BulkAnswer, ExecutionRow, Verb
from ui.parts import api, filters, formats, states
from ui.parts.markup import Markup, show, tag

_ASKED, _TOLD = "_asked", "_told"
_LISTED = 25
"""So many executions are named one by one; beyond that they are counted."""

DONE = {"cancel": "cancelled", "retry": "retried"}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done: to the executions named, or to all that match a filter."""

    verb: Verb
    ids: tuple[str, ...] = ()
    match: ExecutionFilter | None = None
    seen: int = 0
    after: Callable[[], None] | None = None


def ask(request: Request) -> None:
    """Open the dialog in the next full run: a dialog opened inside a refreshing fragment dies with it."""
    st.session_state[_ASKED] = request
    st.rerun()


def dialogs() -> None:
    """Open what was asked for and say what was done; pages call it outside their fragments."""
    for icon, message in st.session_state.pop(_TOLD, []):
        st.toast(message, icon=icon, duration="long")
    if request := st.session_state.pop(_ASKED, None):
        st.dialog(_title(request), width="medium")(_confirm if request.ids else _confirm_all)(request)


def _title(request: Request) -> str:
    verb = request.verb.capitalize()
    if not request.ids:
        return f"{verb} all that match?"
    return f"{verb} this execution?" if len(request.ids) == 1 else f"{verb} {len(request.ids)} executions?"


def possible(verb: Verb, row: ExecutionRow) -> bool:
    """Whether the action means anything in the state the execution is in."""
    return row.state in CHANGEABLE[verb] and not getattr(row, "retried_as", None)


def _confirm(request: Request) -> None:
    try:
        rows = [api.client().execution(name) for name in request.ids[:_LISTED]]
    except api.REFUSED as error:
        _failed("These executions cannot be read now, so nothing was done.", error)
        return
    able = [row.execution for row in rows if possible(request.verb, row)]
    _listing(rows)
    if unlisted := request.ids[_LISTED:]:
        st.text(f"and {formats.count(len(unlisted))} more")
    if left := len(rows) - len(able):
        st.text(f"{left} of them will be left alone: {_why_not(request.verb)}.")
    chosen = (*able, *unlisted)
    _buttons(request, len(chosen), lambda: BulkRequest(ids=chosen))


def undone(error: Exception) -> str:
    """What is known of an action that was not confirmed."""
    if api.away(error):
        return "Not confirmed; it may have been done all the same. To do it again does no harm."
    return "Refused; nothing was changed."


def _failed(message: str, error: Exception) -> None:
    st.error(message)
    st.text(api.sentence(error))


def _why_not(verb: Verb) -> str:
    return "already ended" if verb == "cancel" else "not ended yet, or retried before"


def _listing(rows: Sequence[ExecutionRow]) -> None:
    lines = [_line(row) for row in rows]
    show(tag("table", *lines, class_="hr-list"))


def _line(row: ExecutionRow) -> Markup:
    name = tag("code", formats.short_id(row.execution), title=row.execution)
    return tag("tr", *(tag("td", cell) for cell in (name, row.task, states.chip(row.state, late=row.late))))


def _confirm_all(request: Request) -> None:
    match = request.match or ExecutionFilter()
    try:
        total, able = _count(match), _count(match.among(CHANGEABLE[request.verb]))
    except api.REFUSED as error:
        _failed("The executions cannot be counted now, so nothing was done.", error)
        return
    said = filters.described(match) or "none: this is every execution in the range"
    before = "" if total == request.seen else f" ({request.seen:,} when the list was drawn)"
    st.text(f"{total:,} executions match now{before}.\nFilter: {said}.")
    st.caption(f"Those that cannot be {DONE[request.verb]} are left alone: {_why_not(request.verb)}.")
    if able > BULK_LIMIT:
        st.error(f"{TOO_MANY.capitalize()}.")
        return
    _buttons(request, able, lambda: BulkRequest(filter=match, expected=able))


def _count(match: ExecutionFilter | None) -> int:
    return api.client().executions(match, limit=1).total if match else 0


def _buttons(request: Request, number: int, wanted: Callable[[], BulkRequest]) -> None:
    what = "1 execution" if number == 1 else f"{number:,} executions"
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep as it is", key="dialog_no"):
            st.rerun()
        label = f"{request.verb.capitalize()} {what}"
        if st.button(label, type="primary", key="dialog_yes", disabled=number == 0):
            _carry_out(request, wanted())


def _carry_out(request: Request, wanted: BulkRequest) -> None:
    client = api.client()
    try:
        with st.spinner("Working", show_time=True):
            answer = client.cancel_many(wanted) if request.verb == "cancel" else client.retry_many(wanted)
    except api.REFUSED as error:
        _failed(undone(error), error)
        return
    if request.after:
        request.after()
    tell(report(request.verb, answer), ok=not (request.ids and answer.refused))
    st.rerun()


def report(verb: Verb, answer: BulkAnswer) -> str:
    """What was done, what was not and why, and what to know of it; Markdown."""
    said = [f"{answer.accepted:,} {DONE[verb]}."]
    if answer.refused:
        first = answer.refused[0]
        why = f"{formats.plain(formats.short_id(first.execution))}: {formats.plain(first.detail)}"
        said.append(f"{len(answer.refused):,} refused, the first {why}.")
    if answer.detail:
        said.append(formats.plain(answer.detail))
    return " ".join(said)


def tell(message: str, *, ok: bool = True) -> None:
    """Say something after the next full run. `message` is Markdown: texts of others go through `formats.plain`."""
    st.session_state.setdefault(_TOLD, []).append((":material/check:" if ok else ":material/warning:", message))
