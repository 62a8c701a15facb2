"""The reader's zone and theme. Outside a browser (in tests) Streamlit knows neither: then UTC and light."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from pipelines.views import AttemptView, ExecutionRow
from ui.parts import formats

Timed = ExecutionRow | AttemptView

ZONE_KEY, UTC_NAME = "tz", "UTC"


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def browser_zone() -> tuple[str, tzinfo]:
    """The browser's time zone and its name."""
    name = st.context.timezone or UTC_NAME
    try:
        return name, ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC_NAME, UTC


def zone() -> tzinfo:
    """The one zone in which a page shows times: the browser's, or UTC where the reader chose it."""
    return UTC if st.session_state.get(ZONE_KEY) == UTC_NAME else browser_zone()[1]


def theme() -> str:
    """`light` or `dark`."""
    return st.context.theme.type or "light"


def waited_ms(row: Timed) -> int | None:
    """How long it waited, or has waited so far."""
    if row.waited_ms is None and row.state in {"waiting", "dispatched"}:
        return _since(row.ready_at)
    return row.waited_ms


def ran_ms(row: Timed) -> int | None:
    """How long it ran, or has run so far."""
    return _since(row.started_at) if row.ran_ms is None and row.state == "running" else row.ran_ms


def _since(at: datetime | None) -> int | None:
    return max(round((now() - at) / timedelta(milliseconds=1)), 0) if at else None


def moment(at: datetime | None) -> str:
    """A time as the page shows it."""
    return formats.moment(at, now(), zone())
