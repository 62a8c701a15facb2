"""Is all well?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from pipelines.requests import ExecutionFilter
from pipelines.views import MinuteView, OverviewView, PoolView
from ui.parts import actions, api, charts, clock, figures, formats, header, places, states
from ui.parts.answers import ask, guarded
from ui.parts.letters import LETTERS, dead_letters
from ui.parts.pools import pool_table
from ui.parts.table import WRONG, Table

_OPENING = "_opening"
FAILURES = Table("failures", WRONG)
SHOWN_FAILURES = 5


def show_overview(head: header.Header) -> None:
    """Figures, counts by state, dead letters, the latest failures, charts, pools."""
    span = head.span or "24h"
    start = header.start(span, clock.now())
    answer = ask(f"overview {span}", api.overview, start)
    bad, listed = badly_ended(start), api.client().executions
    failed = ask(f"failures {span}", listed, bad, order="changed", limit=SHOWN_FAILURES)
    letters = ask("dead letters", api.client().dead_letters, limit=LETTERS)
    header.freshness(head, answer, failed, letters)
    if not (view := answer.value):
        return
    with st.container(key="hr-data"):
        if not any(view.now.values()) and not any(view.ended.values()) and not view.minutes:
            st.info(places.nothing_yet())
            dead_letters(letters.value or (), start, span)
            pool_table(view.pools)
            return
        top(view, span)
        figures.state_counts("now", view.now, states.ACTIVE, "all")
        figures.state_counts(f"ended in {span}", view.ended, states.ENDED, span)
        dead_letters(letters.value or (), start, span)
        if failed.value and failed.value.items:
            st.subheader("Latest failures", anchor=False)
            FAILURES.draw(failed.value.items, select=False)
        middle(view, span)
        pool_table(view.pools)


def badly_ended(since: datetime) -> ExecutionFilter:
    """What failed or was lost in the range."""
    return ExecutionFilter(state=("failed", "lost"), since=since)


def top(view: OverviewView, span: str) -> None:
    """The figures that say whether all is well."""
    waiting, running = view.now.get("waiting", 0), view.now.get("running", 0)
    late, soon = places.listing(late="true", state="waiting"), f"{formats.count(view.late_next_5_min)} more in 5 min"
    busy, slots = sum(p.running for p in view.pools), sum(p.slots for p in view.pools)
    with st.grid(5, min_column_width=116, gap="small"):
        figures.figure("late", "late now", view.late_now, late, soon, alarm=view.late_now > 0)
        figures.figure(
            "failed", f"failed in {span}", view.failed, places.listing(span, state="failed"),
            f"{formats.count(view.ended.get('lost', 0))} lost", alarm=view.failed > 0,
        )  # fmt: skip
        oldest = max((p.oldest_wait_ms for p in view.pools if p.oldest_wait_ms is not None), default=None)
        figures.figure(
            "waiting", "waiting", waiting, places.listing(state="waiting"),
            f"oldest {formats.duration(oldest)}" if waiting else "",
        )  # fmt: skip
        figures.figure(
            "running", "running", running, places.listing(state="running"),
            f"{formats.count(slots - busy)} of {formats.count(slots)} slots free",
        )  # fmt: skip
        figures.plain_figure(
            "rate", "ended / s", f"{view.per_second:,.1f}",
            f"{formats.count(view.ended.get('succeeded', 0))} succeeded",
        )  # fmt: skip


def middle(view: OverviewView, span: str) -> None:
    """Charts of the range and of the line."""
    width, start = timedelta(milliseconds=view.step_ms), header.start(span, view.at)
    steps = charts.buckets(view.minutes, start, view.at, width)
    theme, zone = clock.theme(), clock.zone()
    left, right = st.columns([3, 1], gap="medium")
    with left:
        st.subheader(f"Ended per {formats.span(width)}", anchor=False)
        chart = charts.throughput(steps, theme, zone)
        picked = st.echarts_chart(
            chart,
            height=170,
            key="throughput",
            on_select="rerun",
            alt="Executions that ended, by time and outcome",
        )
        _follow(picked, steps, start, width)
        st.subheader("Wait and run time", anchor=False)
        st.echarts_chart(
            charts.latency(steps, theme, zone), height=150, key="latency", alt="Seconds waited and run: p50, p99"
        )
    with right:
        st.subheader("Waiting by priority", anchor=False)
        picked = st.echarts_chart(
            charts.priorities(waiting_by_priority(view.pools), theme), height=364, key="priorities", on_select="rerun",
            alt="Waiting executions by priority",
        )  # fmt: skip
        for index in _indices(picked):
            st.switch_page(
                places.EXECUTIONS, query_params=places.listing(state="waiting", priority=formats.priority(index))
            )


def waiting_by_priority(pools: Sequence[PoolView]) -> list[int]:
    """The pools' lines added up; index = priority."""
    return [sum(pool.waiting[p] for pool in pools if p < len(pool.waiting)) for p in range(10)]


def _indices(picked: object) -> list[int]:
    groups = picked["selection"]["selected"] if isinstance(picked, dict) else []
    return [index for group in groups for index in group["data_indices"]]


def _follow(picked: object, steps: Sequence[MinuteView], start: datetime, width: timedelta) -> None:
    """Open the list of what a bar counts; the first one begins with the range."""
    for index in _indices(picked):
        at = steps[index].minute
        query = {"since": max(at, start).isoformat(), "until": (at + width).isoformat(), "state": states.ENDED}
        st.switch_page(places.EXECUTIONS, query_params=places.listing("custom", **query))


def opening() -> str:
    """The range for those who come without one: a system's first hour is not one bar at the edge of a day."""
    if _OPENING not in st.session_state:
        now = clock.now()
        day = ask("overview 24h", api.overview, header.start("24h", now)).value
        first = min((minute.minute for minute in day.minutes), default=None) if day else None
        st.session_state[_OPENING] = header.fitting(first, now)
    found: str = st.session_state[_OPENING]
    return found


@guarded
def page() -> None:
    """The whole page."""
    places.come_back(places.OVERVIEW)
    head = header.header("Overview", ranges=list(header.RANGES), range_key="window", default=opening())
    actions.dialogs()
    st.fragment(guarded(show_overview), run_every=head.every)(head)


page()
