"""How a state looks: icon, word and colour together, so that no one has to tell states apart by colour alone."""

from typing import NamedTuple

from pipelines.views import TERMINAL_STATES, StateName
from ui.parts.markup import Markup, tag


class Look(NamedTuple):
    """A state's icon, its word, and its colour as text on the light and on the dark theme (contrast >= 5.4)."""

    icon: str
    word: str
    light: str
    dark: str

    @property
    def label(self) -> str:
        """Icon and word."""
        return f"{self.icon} {self.word}"


LOOKS: dict[StateName, Look] = {
    "scheduled": Look("◷", "scheduled", "#5B6470", "#A3ADBA"),
    "blocked": Look("⛓\ufe0e", "blocked", "#6B3FA0", "#C3A6F2"),
    "waiting": Look("▪", "waiting", "#8A5A00", "#E8B84A"),
    "dispatched": Look("▷", "dispatched", "#0B6E77", "#5CC8D2"),
    "running": Look("▶", "running", "#0B5CAD", "#6CB2FF"),
    "retrying": Look("↻", "retrying", "#A8470A", "#FFA366"),
    "succeeded": Look("✓", "succeeded", "#1A7032", "#5FCB7E"),
    "failed": Look("✕", "failed", "#B3261E", "#FF8A80"),
    "upstream_failed": Look("⊗", "upstream failed", "#B3261E", "#FF8A80"),
    "lost": Look("?", "lost", "#9C1C6B", "#F78FCB"),
    "cancelled": Look("⊘", "cancelled", "#59606B", "#B0B7C1"),
    "skipped": Look("⤼", "skipped", "#59606B", "#B0B7C1"),
}
"""All states of the engine, in the order in which they are shown."""

LATE = Look("!", "late", "#B3261E", "#FF8A80")
"""A mark beside any state."""

ACTIVE: tuple[StateName, ...] = tuple(s for s in LOOKS if s not in TERMINAL_STATES)
ENDED: tuple[StateName, ...] = tuple(s for s in LOOKS if s in TERMINAL_STATES)


def colour(look: Look, theme: str | None) -> str:
    """The text colour on the theme `light` (also when nobody knows) or `dark`."""
    return look.dark if theme == "dark" else look.light


def state_label(state: StateName, *, late: bool = False) -> str:
    """Icon and word as plain text, for tables and lists."""
    return f"{LOOKS[state].label} {LATE.icon}" if late else LOOKS[state].label


def chip(state: StateName, *, late: bool = False) -> Markup:
    """A state for `show`, in the colours of the browser's theme."""
    mark = tag("span", LATE.label, class_="hr-state hr-late", title="waited longer than its max_latency")
    main = tag("span", LOOKS[state].label, class_=f"hr-state hr-{state}")
    return main + mark if late else main


def stylesheet() -> str:
    """The colours as CSS classes; `light-dark()` follows the theme that Streamlit declares for the page."""
    looks: list[tuple[str, Look]] = [*LOOKS.items(), ("late", LATE)]
    return "\n".join(
        f".hr-{name}, .st-key-count-{name} p {{ color: light-dark({look.light}, {look.dark}); }}"
        for name, look in looks
    )
