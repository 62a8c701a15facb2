"""Cancel and retry: every one is confirmed in a dialog that names what it will touch, as it stands now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from pipelines.views import TERMINAL_STATES, ExecutionRow
from ui.parts import api, filters, formats, states
from ui.parts.markup import Markup, show, tag

_ASKED, _TOLD = "_asked", "_told"
_LISTED = 25
"""So many executions are named one by one; beyond that they are counted."""

DONE = {"cancel": "cancelled", "retry": "retried"}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done: to the executions named, or to all that match a filter."""

    verb: api.Verb
    ids: tuple[str, ...] = ()
    match: api.Match = field(default_factory=dict)
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
        many = bool(request.match) or not request.ids
        st.dialog(_title(request), width="medium")(_confirm_all if many else _confirm)(request)


def _title(request: Request) -> str:
    verb = request.verb.capitalize()
    if not request.ids:
        return f"{verb} all that match?"
    return f"{verb} this execution?" if len(request.ids) == 1 else f"{verb} {len(request.ids)} executions?"


def possible(verb: api.Verb, row: ExecutionRow) -> bool:
    """Whether the action means anything in the state the execution is in."""
    ended = row.state in TERMINAL_STATES
    return not ended if verb == "cancel" else ended and not getattr(row, "retried_as", None)


def _confirm(request: Request) -> None:
    try:
        rows = [api.execution(name) for name in request.ids[:_LISTED]]
    except api.ApiError as error:
        st.error("These executions cannot be read now, so nothing was done.")
        st.text(str(error))
        return
    able = [row for row in rows if possible(request.verb, row)]
    _listing(rows)
    if len(request.ids) > len(rows):
        st.text(f"and {formats.count(len(request.ids) - len(rows))} more")
    if left := len(rows) - len(able):
        st.text(f"{left} of them will be left alone: {_why_not(request.verb)}.")
    chosen = [row.execution for row in able] + list(request.ids[_LISTED:])
    _buttons(request, len(chosen), lambda: api.act_on(request.verb, chosen))


def _why_not(verb: api.Verb) -> str:
    return "already ended" if verb == "cancel" else "not ended yet, or retried before"


def _listing(rows: Sequence[ExecutionRow]) -> None:
    lines = [_line(row) for row in rows]
    show(tag("table", *lines, class_="hr-list"))


def _line(row: ExecutionRow) -> Markup:
    name = tag("code", formats.short_id(row.execution), title=row.execution)
    return tag("tr", *(tag("td", cell) for cell in (name, row.task, states.chip(row.state, late=row.late))))


def _confirm_all(request: Request) -> None:
    try:
        total = api.executions({**request.match, "limit": 1}).total
    except api.ApiError as error:
        st.error("The executions cannot be counted now, so nothing was done.")
        st.text(str(error))
        return
    said = filters.described({k: v for k, v in request.match.items() if k not in {"since", "until"}})
    before = "" if total == request.seen else f" ({request.seen:,} when the list was drawn)"
    st.text(f"{total:,} executions match now{before}.\nFilter: {said or 'none: this is every execution in the range'}.")
    if request.verb == "retry":
        st.caption("Those that have not ended, or have succeeded meanwhile, are left alone.")
    _buttons(request, total, lambda: api.act_on_all(request.verb, request.match, total))


def _buttons(request: Request, number: int, call: Callable[[], api.BulkAnswer]) -> None:
    what = "1 execution" if number == 1 else f"{number:,} executions"
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep as it is", key="dialog_no"):
            st.rerun()
        label = f"{request.verb.capitalize()} {what}"
        if st.button(label, type="primary", key="dialog_yes", disabled=number == 0):
            _carry_out(request, call)


def _carry_out(request: Request, call: Callable[[], api.BulkAnswer]) -> None:
    try:
        with st.spinner("Working", show_time=True):
            answer = call()
    except api.ApiError as error:
        st.error("Refused; nothing was changed.")
        st.text(str(error))
        return
    if request.after:
        request.after()
    tell(_report(request.verb, answer), ok=not answer.refused)
    st.rerun()


def _report(verb: api.Verb, answer: api.BulkAnswer) -> str:
    done = f"{answer.accepted:,} {DONE[verb]}."
    if not answer.refused:
        return done
    first = answer.refused[0]
    why = f"{formats.plain(formats.short_id(first.execution))}: {formats.plain(first.detail)}"
    return f"{done} {len(answer.refused):,} refused, the first {why}"


def tell(message: str, *, ok: bool = True) -> None:
    """Say something after the next full run. `message` is Markdown: texts of others go through `formats.plain`."""
    st.session_state.setdefault(_TOLD, []).append((":material/check:" if ok else ":material/warning:", message))
