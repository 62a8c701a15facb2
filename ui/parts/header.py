"""The head of every page: title, range, refresh, time zone, and when the data was last right."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.parts import clock, formats
from ui.parts.answers import Answer
from ui.parts.markup import show, tag, with_code

RANGES = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(days=1), "7d": timedelta(days=7)}
INTERVALS: dict[str, float | None] = {"off": None, "2s": 2, "5s": 5, "30s": 30}
REFRESH = "5s"


@dataclass(frozen=True, slots=True)
class Header:
    """What the reader chose: a range, seconds between refreshes (none: off), and the place of the data's time."""

    span: str | None
    every: float | None
    note: DeltaGenerator


def header(
    title: str,
    *,
    ranges: Sequence[str] = (),
    range_key: str = "range",
    default: str = "24h",
    refresh: str = REFRESH,
) -> Header:
    """Draw the head; all choices live in the address, but for the `default` range."""
    with st.container(horizontal=True, vertical_alignment="center", key="hr-head", gap="xsmall"):
        st.title(title, anchor=False, width="stretch")
        note = st.container(key="hr-note", width="content")
        note.empty()
        span = _range(ranges, range_key, default) if ranges else None
        every = _refresh(refresh)
        _zone()
    return Header(span, every, note)


def _range(ranges: Sequence[str], key: str, default: str) -> str:
    chosen = st.segmented_control(
        "Range", ranges, default=default, required=True, key=key, bind="query-params", label_visibility="collapsed"
    )
    return chosen or default


def fitting(first: datetime | None, now: datetime) -> str:
    """The shortest range, up to a day, that shows all since `first` (none: nothing has happened yet)."""
    spans = ("1h", "6h")
    return next((span for span in spans if first is None or start(span, now) <= first), "24h")


def refresh_key(default: str = REFRESH) -> str:
    """What the refresh is called in the address: pages that begin with another one do not share it."""
    return f"refresh_{default}"


def _refresh(default: str) -> float | None:
    names = list(INTERVALS)
    chosen = st.selectbox(
        "Refresh",
        names,
        index=names.index(default),
        key=refresh_key(default),
        bind="query-params",
        label_visibility="collapsed",
        width=84,
    )
    return INTERVALS[chosen or default]


def _zone() -> None:
    own, _ = clock.browser_zone()
    st.selectbox(
        "Time zone",
        list(dict.fromkeys([own, clock.UTC_NAME])),
        key=clock.ZONE_KEY,
        bind="query-params",
        label_visibility="collapsed",
        width=130,
    )


def since(span: str | None, now: datetime) -> datetime | None:
    """The start of a range that ends now, as a full minute, so that a count and its list mean the same time.

    None for `all` and `custom`.
    """
    return start(span, now) if span in RANGES else None


def start(span: str, now: datetime) -> datetime:
    """As `since`, for a span that has a start."""
    return (now - RANGES[span]).replace(second=0, microsecond=0)


def parse_moment(text: str, zone: tzinfo) -> datetime | None:
    """A time that someone typed, in `zone` unless it says its own offset. Raises ValueError that names it."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a time; write it as 2026-11-23 16:00 or 2026-11-23T16:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def freshness(head: Header, *answers: Answer[object]) -> None:
    """Say when the data was read; where the API is away, a banner, beside which old data is shown in grey."""
    oldest = min(answers, key=lambda answer: answer.at)
    broken = next((a.problem for a in answers if a.problem), None)
    has_data = all(a.value is not None for a in answers)
    at = clock.moment(oldest.at)
    with head.note:
        if broken:
            show(tag("span", f"data of {at}" if has_data else "no data", class_="hr-stale"))
        else:
            show(tag("span", f"updated {at}", class_="hr-muted"))
    if broken:
        _banner(broken, at, has_data=has_data, every=head.every)


def _banner(problem: str, at: str, *, has_data: bool, every: float | None) -> None:
    shown = f"What you see is of {at}. " if has_data else ""
    after = f"This page tries again every {formats.chosen(every * 1000)}." if every else "Refresh is off."
    message = (
        tag("strong", "The API is away. ") + shown + after + " " + tag("span", with_code(problem), class_="hr-muted")
    )
    show(tag("div", message, class_="hr-banner", role="status"))
