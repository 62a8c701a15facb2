"""The reader's zone and theme. Outside a browser (in tests) Streamlit knows neither: then UTC and light."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ui.parts import formats

ZONE_KEY = "tz"


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def browser_zone() -> tuple[str, tzinfo]:
    """The browser's time zone and its name."""
    name = st.context.timezone or "UTC"
    try:
        return name, ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC", UTC


def zone() -> tzinfo:
    """The one zone in which a page shows times: the browser's, or UTC where the reader chose it."""
    return UTC if st.session_state.get(ZONE_KEY) == "UTC" else browser_zone()[1]


def theme() -> str:
    """`light` or `dark`."""
    return st.context.theme.type or "light"


def moment(at: datetime | None) -> str:
    """A time as the page shows it."""
    return formats.moment(at, now(), zone())
