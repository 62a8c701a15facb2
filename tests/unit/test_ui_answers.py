"""What a page remembers of the API's answers."""

from datetime import UTC, datetime

from ui.parts.answers import KEPT, Answer, _keep


def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    """Every filter that somebody tries is a name; what is asked for again and again stays."""
    kept: dict[str, Answer[int]] = {}
    for n in range(3 * KEPT):
        _keep(kept, "often", Answer(n, datetime.now(UTC)))
        _keep(kept, f"filter {n}", Answer(n, datetime.now(UTC)))
    assert len(kept) == KEPT
    assert kept["often"].value == 3 * KEPT - 1
    assert "filter 0" not in kept
