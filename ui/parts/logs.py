"""A log that follows: new lines are asked for by cursor, and nothing in them is interpreted."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import streamlit as st

from pipelines.views import TERMINAL_STATES, ExecutionView, LogView
from ui.parts import api, clock
from ui.parts.markup import visible

SHOWN = 500
PAGES = 20
HEIGHT, SHORT = 320, 14
LINES_ARRIVE_WITHIN = timedelta(seconds=5)
"""An end is known at once, lines when ClickHouse has them."""

_KEPT = "_log"


@dataclass(slots=True)
class Tail:
    """The last lines of one execution's log, and where the next ones start."""

    execution: str
    cursor: str = ""
    lines: list[LogView] = field(default_factory=list)
    dropped: int = 0

    def follow(self) -> None:
        """Ask for what was written since; at most PAGES pages at once, the rest the next time."""
        for _ in range(PAGES):
            more = api.client().logs(self.execution, after=self.cursor, limit=SHOWN)
            self.add(more)
            if len(more) < SHOWN:
                return

    def add(self, more: tuple[LogView, ...]) -> None:
        """Append lines and keep the last SHOWN."""
        if more:
            self.cursor = more[-1].cursor
        self.lines += more
        self.dropped += max(len(self.lines) - SHOWN, 0)
        del self.lines[:-SHOWN]


def tail(view: ExecutionView) -> None:
    """The log of an execution as far as it is written."""
    kept = st.session_state.get(_KEPT)
    if not isinstance(kept, Tail) or kept.execution != view.execution:
        kept = st.session_state[_KEPT] = Tail(view.execution)
    try:
        kept.follow()
    except api.AWAY:
        st.caption("The API is away; the log goes on when it is back.")
    if kept.dropped:
        st.caption(f"{kept.dropped:,} earlier lines are not shown.")
    if not kept.lines:
        st.caption(silence(view, clock.now()))
        return
    height: int | Literal["content"] = HEIGHT if len(kept.lines) > SHORT else "content"
    with st.container(height=height, border=True, autoscroll=True, key="hr-log"):
        st.code("\n".join(_line(line) for line in kept.lines), language=None, wrap_lines=True)


def silence(view: ExecutionView, now: datetime) -> str:
    """Why there is no output."""
    if view.state not in TERMINAL_STATES:
        return "No output yet." if view.attempt else "It has not started yet."
    if not view.attempt:
        return "It never started, so it printed nothing."
    late = view.finished_at and now - view.finished_at < LINES_ARRIVE_WITHIN
    return "No output so far; the last lines may still be on their way." if late else "It printed nothing."


def _line(line: LogView) -> str:
    mark = {"stderr": "!", "system": "#"}.get(line.stream, " ")
    return f"{line.at.astimezone(clock.zone()):%H:%M:%S.%f}"[:-3] + f" {line.attempt}{mark} {visible(line.text)}"
