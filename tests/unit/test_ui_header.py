"""The range with which a page opens."""

from datetime import UTC, datetime, timedelta

import pytest

from ui.parts.header import fitting

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "span"), [(None, "1h"), (3, "1h"), (60, "1h"), (62, "6h"), (300, "6h"), (400, "24h"), (9000, "24h")]
)
def test_a_range_fits_what_has_happened(minutes: int | None, span: str) -> None:
    """The shortest range that shows everything, up to a day."""
    first = None if minutes is None else NOW.replace(second=0) - timedelta(minutes=minutes)
    assert fitting(first, NOW) == span
