"""The table of executions. What is ticked is remembered by id, because Streamlit remembers positions only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pipelines.views import ExecutionRow
from ui.parts import api, clock, formats, places, states

_REREAD = 50
"""At most so many rows that have left the page are read again one by one while rows are ticked."""


LIST = ("State", "Execution", "Task", "Run", "Prio", "Queue", "Waited", "Ran", "Worker", "Try", "Created", "Updated")
WRONG = ("State", "Execution", "Task", "Error", "Worker", "Try", "Updated")
"""What is shown of executions in general, and of those of which one asks why."""

# Together with the box to tick, what a window 1280 wide has room for; in a wider one all of them grow.
_TEXTS = {"State": 112, "Task": 130, "Run": 84, "Queue": 76, "Worker": 88, "Error": 416}
_NUMBERS = {"Prio": 38, "Waited": 92, "Ran": 56, "Try": 32, "Created": 82, "Updated": 82}
_ID = 98
_ERROR = 72
"""Characters of an error for which there is room."""


class Table:
    """A table with a name of its own on its page."""

    def __init__(self, key: str, columns: Sequence[str] = LIST) -> None:
        self.key = key
        self._columns = columns
        self._ticks = f"{key}_ticks"
        self._drawn = f"{key}_drawn"
        self._drawn_for = f"{key}_drawn_for"
        self._open = f"{key}_open"

    @property
    def ticked(self) -> dict[str, ExecutionRow]:
        """The ticked executions by id, as last seen."""
        found: dict[str, ExecutionRow] = st.session_state.setdefault(self._ticks, {})
        return found

    def clear(self) -> None:
        """Untick all (a callback)."""
        st.session_state[self._ticks] = {}

    def hold(self, rows: Sequence[ExecutionRow], shown: object) -> tuple[list[ExecutionRow], int]:
        """The rows to draw and how many new ones are held back.

        While anything is ticked the rows keep their places and only their values change. `shown` says what was
        asked for: another filter or page is drawn as it comes.
        """
        before: list[ExecutionRow] = st.session_state.get(self._drawn, [])
        if not self.ticked or st.session_state.get(self._drawn_for) != shown:
            st.session_state[self._drawn_for] = shown
            return list(rows), 0
        fresh = {row.execution: row for row in rows}
        kept = {row.execution for row in before}
        return _reread(before, fresh), len(fresh.keys() - kept)

    def draw(self, rows: Sequence[ExecutionRow], *, select: bool = True) -> None:
        """Draw the rows; a click on an id opens it."""
        if name := st.session_state.pop(self._open, None):
            places.open_execution(name)
        st.session_state[self._drawn] = list(rows)
        self._refresh_ticks(rows)
        if select:
            self._write_selection(rows)
        more: dict[str, Any] = {"on_select": self._remember, "selection_mode": "multi-row"} if select else {}
        st.dataframe(
            styled(rows, self._columns), key=self.key, hide_index=True, row_height=32, height="content",
            placeholder=formats.MISSING, column_config=self._configured(),
            alt=f"Executions: {', '.join(self._columns)}", **more,
        )  # fmt: skip

    def _refresh_ticks(self, rows: Iterable[ExecutionRow]) -> None:
        self.ticked.update({row.execution: row for row in rows if row.execution in self.ticked})

    def _write_selection(self, rows: Sequence[ExecutionRow]) -> None:
        """Only where ticks moved: a write during a click would undo the click."""
        ticked = [at for at, row in enumerate(rows) if row.execution in self.ticked]
        known = st.session_state.get(self.key)
        if sorted(known["selection"]["rows"] if known else []) != ticked:
            st.session_state[self.key] = {"selection": {"rows": ticked, "columns": [], "cells": []}}

    def _remember(self) -> None:
        """Streamlit's positions, as of the frame that was drawn, become ids."""
        drawn: list[ExecutionRow] = st.session_state.get(self._drawn, [])
        ticked = {drawn[at].execution: drawn[at] for at in st.session_state[self.key]["selection"]["rows"]}
        here = {row.execution for row in drawn}
        elsewhere = {name: row for name, row in self.ticked.items() if name not in here}
        st.session_state[self._ticks] = elsewhere | ticked

    def _clicked(self) -> None:
        """By position and label: the label decides where rows moved between the drawing and the click."""
        click = st.session_state[f"{self.key}_click"]
        drawn: list[ExecutionRow] = st.session_state.get(self._drawn, [])
        near = sorted(range(len(drawn)), key=lambda at: abs(at - click["row"]))
        named = (drawn[at].execution for at in near if formats.short_id(drawn[at].execution) == click["label"])
        st.session_state[self._open] = next(named, None)

    def _configured(self) -> dict[str, Any]:
        column = st.column_config.TextColumn
        right = {name: column(width=width, alignment="right") for name, width in _NUMBERS.items()}
        left = {name: column(width=width) for name, width in _TEXTS.items()}
        button = st.column_config.ButtonColumn(
            on_click=self._clicked, key=f"{self.key}_click", alignment="left", type="tertiary", width=_ID
        )
        return {**left, **right, "Execution": button}


def _reread(before: Sequence[ExecutionRow], fresh: Mapping[str, ExecutionRow]) -> list[ExecutionRow]:
    """The rows in their old places with new values; rows that left the page are asked for by id."""
    gone = [row.execution for row in before if row.execution not in fresh][:_REREAD]
    again = {name: row for name in gone if (row := _read(name))}
    return [fresh.get(row.execution) or again.get(row.execution) or row for row in before]


def _read(name: str) -> ExecutionRow | None:
    try:
        return api.client().execution(name)
    except api.REFUSED:
        return None


def frame(rows: Sequence[ExecutionRow], columns: Sequence[str]) -> pd.DataFrame:
    """The rows as texts."""
    return pd.DataFrame([_cells(row) for row in rows], columns=columns)


def _cells(row: ExecutionRow) -> dict[str, str]:
    waited = formats.wait(clock.waited_ms(row), row.max_latency_ms)
    return {
        "State": states.state_label(row.state),
        "Execution": formats.short_id(row.execution),
        "Task": row.task,
        "Run": formats.run(row.run),
        "Prio": formats.priority(row.priority),
        "Queue": row.queue if row.pool == "default" else f"{row.pool} / {row.queue}",
        "Waited": _late(waited) if row.late else waited,
        "Ran": formats.duration(clock.ran_ms(row)),
        "Worker": formats.text(None if row.state == "waiting" else row.worker),  # what is retried has its last one's
        "Try": str(row.attempt) if row.attempt else formats.MISSING,
        "Error": formats.first_line(row.error, _ERROR),
        "Created": clock.moment(row.created_at),
        "Updated": clock.moment(row.updated_at),
    }


def _late(waited: str) -> str:
    return states.LATE.label if waited == formats.MISSING else f"{states.LATE.icon} {waited}"


def styled(rows: Sequence[ExecutionRow], columns: Sequence[str]) -> Any:
    """The frame with the states' exact colours in the reader's theme."""
    theme = clock.theme()
    inks = [f"color: {states.colour(states.LOOKS[row.state], theme)}; font-weight: 600" for row in rows]
    late = [f"color: {states.colour(states.LATE, theme)}; font-weight: 600" if row.late else "" for row in rows]
    marks = {"State": inks, "Waited": late}
    return frame(rows, columns).style.apply(
        lambda column: marks[column.name], subset=[c for c in columns if c in marks]
    )
