"""Why is this waiting, why did it fail?"""

import contextlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipelines.views import TERMINAL_STATES, AttemptView, ExecutionView, UpstreamView
from ui.client import ApiError
from ui.parts import actions, api, charts, clock, formats, header, places, states
from ui.parts.answers import ask, guarded, last
from ui.parts.logs import tail
from ui.parts.markup import Markup, facts, show, tag, visible, with_code
from ui.parts.markup import clock as timestamp

Height = int | Literal["content"]

_LAST = "_last_execution"
BAR_HEIGHT, FRAME_HEIGHT = 30, 80
VALUE_HEIGHT, SHORT = 260, 11
LIST_HEIGHT, LISTED = 320, 10
LOG_EVERY = 1


class Spots(NamedTuple):
    """The parts of the page that refresh together; the log between them has its own pace."""

    top: DeltaGenerator
    left: DeltaGenerator
    right: DeltaGenerator


def show_execution(head: header.Header, spots: Spots, name: str) -> None:
    """All that is known about one execution but its log."""
    for place in (head.note, *spots):
        place.empty()  # a part that stays empty in the page's full run cannot be filled by a later refresh
    try:
        answer = ask(_named(name), api.client().execution, name)
    except ApiError as error:
        if not api.unknown(error):
            raise
        with spots.top:
            missing(name, refreshes=head.every is not None)
        return
    with spots.top:
        header.freshness(head, answer)
        if (view := answer.value) is None:
            return
        title(view)
        why(view)
    parts = (timeline, error_of_attempt)
    with spots.left, st.container(key="hr-attempts"):
        for part in reversed(parts) if view.state == "failed" else parts:
            part(view)
    with spots.right, st.container(key="hr-details"):
        details(view)
        neighbours(view)
        values(view)


def missing(name: str, *, refreshes: bool) -> None:
    """Nobody knows it: that, and when that may change, or what an id is."""
    if not formats.may_be_id(name):
        st.info(
            f"{formats.plain(name)} is no execution's id. Give the id, or its last twelve characters as lists show it."
        )
        return
    st.info(f"There is no execution {formats.plain(name)}, or it is kept no longer.")
    then = "it appears here by itself" if refreshes else "look again then"
    st.caption(f"One that was only just submitted takes a moment to be known: {then}.")


def _named(name: str) -> str:
    return f"execution {name}"


def title(view: ExecutionView) -> None:
    """State, name, id, and what can be done."""
    st.set_page_config(page_title=places.tab(visible(view.task)))
    with st.container(horizontal=True, vertical_alignment="center", key="hr-title", gap="xsmall"):
        show(states.chip(view.state, late=view.late), width="content")
        show(tag("span", view.task, class_="hr-name"), width="content")
        st.code(view.execution, language=None, width="content")
        st.space("stretch")
        for verb in ("cancel", "retry"):
            can = actions.possible(verb, view)
            why_not = "It has ended." if verb == "cancel" else "Only what has ended is retried, and once."
            if st.button(verb.capitalize(), key=verb, disabled=not can, help=None if can else why_not):
                actions.ask(actions.Request(verb, ids=(view.execution,)))


def why(view: ExecutionView) -> None:
    """One sentence of what it does or waits for, more causes below, hardest first."""
    lines = list(view.why) or [summary(view)]
    show(tag("div", *(tag("p", with_code(line)) for line in lines), class_="hr-why"))


def summary(view: ExecutionView) -> str:
    """What can be said where the engine gives no reason."""
    word = states.LOOKS[view.state].word.capitalize()
    if view.state == "running":
        return f"{word} on {formats.text(view.worker)} since {clock.moment(view.started_at)}{spent(view)}."
    because = f": {view.reason}" if view.reason else ""
    if view.state in TERMINAL_STATES:
        ended = "Found lost" if view.state == "lost" else word
        return f"{ended} at {clock.moment(view.finished_at)}{because}{spent(view)}."
    return f"{word} since {clock.moment(view.updated_at)}{because}."


def spent(view: ExecutionView) -> str:
    """How long it waited and ran, as far as that is known: `; attempt 3 waited 20 ms, ran 1.2 s; 9.7 s in all`."""
    waited, ran, total = clock.waited_ms(view), clock.ran_ms(view), in_all_ms(view)
    which = f"attempt {told(view)} " if total is not None else ""
    parts = [] if waited is None else [f"waited {formats.wait(waited, view.max_latency_ms)}"]
    parts += [] if ran is None else [f"ran {formats.duration(ran)}"]
    said = f"; {which}{', '.join(parts)}" if parts else ""
    return said if total is None else f"{said}; {formats.duration(total)} in all"


def told(view: ExecutionView) -> int:
    """The attempt of which its times are: the last one, or the next one for which it waits."""
    return view.attempt + (view.state == "waiting")


def in_all_ms(view: ExecutionView) -> float | None:
    """Since the first of several attempts could run, delays between them included; None where there is only one."""
    first = next((a.ready_at for a in view.attempts), None)
    if told(view) == 1 or not first:
        return None
    return ((view.finished_at or clock.now()) - first) / timedelta(milliseconds=1)


def timeline(view: ExecutionView) -> None:
    """Each attempt's wait and run."""
    st.subheader("Attempts", anchor=False)
    if not view.attempts:
        st.caption("None." if view.state in TERMINAL_STATES else "None yet.")
        return
    bars = BAR_HEIGHT * min(len(view.attempts), LISTED)
    spec = charts.gantt(view.attempts, clock.now(), clock.theme())
    st.echarts_chart(spec, height=FRAME_HEIGHT + bars, key="gantt", alt="Each attempt's wait and run time")
    table = tag("table", _attempt_head(), *(_attempt(a) for a in view.attempts), class_="hr-list hr-attempts")
    height = _height(view.attempts)
    with st.container(height=height, autoscroll=True, key="hr-tries" if height == "content" else "hr-tries-scrolled"):
        show(tag("div", table, class_="hr-scroll"))


def _attempt_head() -> Markup:
    texts, numbers = ("", "State", "Worker"), ("Could run", "Started", "Ended", "Waited", "Ran")
    heads = [*(tag("th", t) for t in texts), *(tag("th", n, class_="hr-number") for n in numbers)]
    return tag("tr", *heads)


def _attempt(attempt: AttemptView) -> Markup:
    times = (attempt.ready_at, attempt.started_at, attempt.finished_at)
    spans = (clock.waited_ms(attempt), clock.ran_ms(attempt))
    cells = [str(attempt.attempt), states.chip(attempt.state), formats.text(attempt.worker)]
    numbers = [*(_time(at) for at in times), *(formats.duration(ms) for ms in spans)]
    return tag("tr", *(tag("td", c) for c in cells), *(tag("td", n, class_="hr-number") for n in numbers))


def error_of_attempt(view: ExecutionView) -> None:
    """The error of the newest attempt that failed."""
    failing = next((a for a in reversed(view.attempts) if a.error), None)
    if error := (failing.error if failing else view.error):
        st.subheader(f"Error of attempt {failing.attempt}" if failing else "Error", anchor=False)
        st.code(error, language=None, wrap_lines=True)


def details(view: ExecutionView) -> None:
    """Names and times."""
    pairs: list[tuple[str, str]] = [
        ("run", formats.text(view.run)),
        ("pipeline", formats.text(view.pipeline)),
        ("kind", view.kind),
        ("priority", formats.priority(view.priority)),
        ("pool / queue", f"{view.pool} / {view.queue}"),
        ("owner", view.owner),
        ("trigger", view.trigger),
        *times(view),
    ]
    if delivery := formats.delivery(view.delivery):
        pairs.append(("delivery", delivery))
    st.subheader("Details", anchor=False)
    show(facts(pairs))


def times(view: ExecutionView) -> list[tuple[str, str]]:
    """When what happened; where there were several attempts, of which one, and of all of them."""
    which = f"attempt {told(view)} " if told(view) > 1 else ""
    total, first = in_all_ms(view), next((a.started_at for a in view.attempts), None)
    end = (formats.ended(view.state), _time(view.finished_at))
    whole = [] if total is None else [("first started", _time(first)), end, ("in all", formats.duration(total))]
    return [
        ("created", _time(view.created_at)),
        ("due", _time(view.due_at)),
        *whole,
        (f"{which}worker", formats.text(None if view.state == "waiting" else view.worker)),
        (f"{which}could run", _time(view.ready_at)),
        (f"{which}started", _time(view.started_at)),
        *([] if whole else [end]),
        (f"{which}waited", formats.wait(clock.waited_ms(view), view.max_latency_ms)),
        (f"{which}ran", formats.duration(clock.ran_ms(view))),
    ]


def _time(at: datetime | None) -> Markup:
    return timestamp(at, clock.now(), clock.zone())


def neighbours(view: ExecutionView) -> None:
    """Links along the graph, and to earlier and later retries."""
    again = {"Retry of": view.retry_of, "Retried as": view.retried_as}
    groups = {"Upstream": view.upstream, "Downstream": view.downstream}
    for label, others in groups.items():
        st.subheader(f"{label} ({len(others)})" if others else label, anchor=False)
        if not others:
            st.caption("None.")
            continue
        with st.container(height=_height(others), key=f"hr-near-{label}", gap="xsmall"):
            for other in others:
                _neighbour(label, other)
    for label, name in again.items():
        if name:
            st.subheader(label, anchor=False)
            word = formats.plain(formats.short_id(name))
            _link(word, f"go_{label}", name)


def _height(entries: Sequence[object]) -> Height:
    """A long list scrolls by itself, so that what stands below it is not far away."""
    return LIST_HEIGHT if len(entries) > LISTED else "content"


def _neighbour(label: str, other: UpstreamView) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show(states.chip(other.state) if other.state else tag("span", "not yet", class_="hr-muted"), width="content")
        _link(formats.plain(other.task), f"go_{label}_{other.execution}", other.execution)


def _link(label: str, key: str, name: str) -> None:
    """To another execution on this same page: a change of the address, then a full run, not the fragment's."""
    if st.button(label, key=key, type="tertiary"):
        st.query_params["id"] = name
        st.rerun()


def show_log(name: str) -> None:
    """The log of what is known, which follows by itself."""
    view: ExecutionView | None = last(_named(name))
    if view is None:
        return
    st.subheader("Log", anchor=False)
    with contextlib.suppress(ApiError):
        tail(view)


def values(view: ExecutionView) -> None:
    """What went in and what came out, as JSON."""
    tabs = st.tabs(["Payload", "Result", "Call"])
    for tab, value in zip(tabs, (view.payload, view.result, view.call), strict=True):
        with tab:
            if value is None:
                st.caption("None.")
                continue
            text = json.dumps(value, indent=2, ensure_ascii=False)
            fits = text.count("\n") < SHORT
            st.code(text, language="json", wrap_lines=True, height="content" if fits else VALUE_HEIGHT)
    if view.result_cut and view.kind == "http":  # of other kinds it is the output, and the log itself says so
        tabs[1].caption("The body was longer than the limit and is cut.")


@guarded
def page() -> None:
    """The whole page: the part that refreshes, the log that follows, and the values that stay."""
    name = st.query_params.get("id") or st.session_state.get(_LAST)
    head = header.header("Execution", refresh="2s")
    actions.dialogs()
    if not name:
        st.info("No execution is chosen. Open one from the list.")
        st.page_link(places.EXECUTIONS, label="Executions")
        return
    if "id" not in st.query_params:
        st.query_params["id"] = name
    st.session_state[_LAST] = name
    top = st.container()
    with st.container(key="hr-body"):
        left, right = st.columns([3, 2], gap="medium")
    parts = Spots(top, left.container(), right.container())
    st.fragment(guarded(show_execution), run_every=head.every)(head, parts, name)
    with left:
        st.fragment(guarded(show_log), run_every=head.every and LOG_EVERY)(name)


page()
