"""Charts as ECharts options: zero-based, gaps stay gaps, states in their own colours and order."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import pandas as pd

from pipelines.views import AttemptView, MinuteView, StateName
from ui.parts import states
from ui.parts.states import LOOKS, Look

Spec = dict[str, Any]

_UNITS = ((3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))
_COUNTS = ("created", "succeeded", "failed", "other", "late")
_MIDDLE = ("waited_p50_ms", "ran_p50_ms")
_WORST = ("waited_p99_ms", "ran_p99_ms")
_HATCHED: Spec = {
    "opacity": 0.7,
    "decal": {"color": "rgba(255, 255, 255, 0.8)", "dashArrayX": [1, 0], "dashArrayY": [2, 3], "rotation": -0.785},
}
_GRID: Spec = {"left": 8, "right": 16, "top": 28, "bottom": 8, "containLabel": True}


class Line(NamedTuple):
    """How a line of a chart looks, and the field that it shows."""

    field: str
    light: str
    dark: str
    dash: str
    symbol: str


LINES = {
    "waited p50": Line("waited_p50_ms", "#8A5A00", "#B98A2B", "solid", "circle"),
    "waited p99": Line("waited_p99_ms", "#D07A00", "#F7D27A", "dashed", "triangle"),
    "ran p50": Line("ran_p50_ms", "#0B4A8F", "#4C8FE0", "solid", "circle"),
    "ran p99": Line("ran_p99_ms", "#3B8DE0", "#B5DAFF", "dashed", "triangle"),
}
"""Each differs from the others by its colour, also for those who see no red or green, and p99 by its dashes too."""


def _ink(look: Look, theme: str) -> str:
    return states.colour(look, theme)


def throughput(minutes: Sequence[MinuteView], theme: str, zone: tzinfo) -> Spec:
    """Executions that ended, a bar for each step, by how they ended."""
    series = {"succeeded": LOOKS["succeeded"], "failed": LOOKS["failed"], "other": LOOKS["cancelled"]}
    labels = _labels(minutes, zone)
    rows = [[label, m.succeeded, m.failed, m.other] for label, m in zip(labels, minutes, strict=True)]
    bars = [
        {"type": "bar", "name": name, "stack": "ended", "color": _ink(look, theme), "barCategoryGap": "15%",
         "selectedMode": "single"}
        for name, look in series.items()
    ]  # fmt: skip
    return _by_minute(pd.DataFrame(rows, columns=["minute", *series]), bars)


def latency(minutes: Sequence[MinuteView], theme: str, zone: tzinfo) -> Spec:
    """How long executions waited and ran, each step's p50 and p99. No mean."""
    labels, fields = _labels(minutes, zone), [line.field for line in LINES.values()]
    spans = [[getattr(m, field) for field in fields] for m in minutes]
    size, unit = _unit(max((ms for row in spans for ms in row if ms is not None), default=1000))
    rows = [[label, *(_in(size, ms) for ms in row)] for label, row in zip(labels, spans, strict=True)]
    lines = [
        {"type": "line", "name": name, "color": line.dark if theme == "dark" else line.light,
         "lineStyle": {"type": line.dash, "width": 2}, "symbol": line.symbol, "symbolSize": 4, "showAllSymbol": True,
         "connectNulls": False}
        for name, line in LINES.items()
    ]  # fmt: skip
    spec = _by_minute(pd.DataFrame(rows, columns=["minute", *LINES]), lines)
    spec["legend"] |= {"itemWidth": 28}
    return spec | {"yAxis": spec["yAxis"] | {"minInterval": 0, "axisLabel": {"formatter": f"{{value}} {unit}"}}}


def _unit(longest_ms: float) -> tuple[int, str]:
    """The unit in which a chart up to this length is read, and its size in milliseconds."""
    return next(u for u in _UNITS if u[0] == 1 or longest_ms >= 2 * u[0])


def _in(size: int, ms: float | None) -> float | None:
    return None if ms is None else round(ms / size, 3)


def _labels(minutes: Sequence[MinuteView], zone: tzinfo) -> list[str]:
    """Times, with the day where there is more than one."""
    times = [m.minute.astimezone(zone) for m in minutes]
    one_day = len({at.date() for at in times}) == 1
    return [f"{at:%H:%M}" if one_day else f"{at:%d %b\n%H:%M}" for at in times]


def _by_minute(source: pd.DataFrame, series: list[Spec]) -> Spec:
    return {
        "animation": False,
        "grid": _GRID,
        "legend": {"top": 0, "left": 0, "itemWidth": 18, "itemHeight": 8, "itemStyle": {"opacity": 1}},
        "tooltip": {"trigger": "axis"},
        "dataset": {"source": source},
        "xAxis": {
            "type": "category",
            "axisTick": {"show": False},
            "axisLabel": {"hideOverlap": True, "lineHeight": 13},
        },
        "yAxis": {"type": "value", "min": 0, "minInterval": 1, "splitNumber": 3},
        "series": series,
    }


def buckets(minutes: Sequence[MinuteView], start: datetime, end: datetime, width: timedelta) -> list[MinuteView]:
    """History from `start` to `end` in steps of `width`, an empty one where nothing happened: a gap stays a gap.

    Counts are summed. A step's p50 is that of its middle minute, its p99 that of its worst minute.
    """
    step = width.total_seconds()
    found: dict[int, list[MinuteView]] = defaultdict(list)
    for minute in minutes:
        found[int(minute.minute.timestamp() // step)].append(minute)
    numbers = range(int(start.timestamp() // step), int(end.timestamp() // step) + 1)
    return [_bucket(datetime.fromtimestamp(n * step, UTC), found.get(n, [])) for n in numbers]


def _bucket(at: datetime, minutes: Sequence[MinuteView]) -> MinuteView:
    sums = {name: sum(getattr(m, name) for m in minutes) for name in _COUNTS}
    middle = {name: _of(statistics.median, minutes, name) for name in _MIDDLE}
    worst = {name: _of(max, minutes, name) for name in _WORST}
    return MinuteView(minute=at, **sums, **middle, **worst)


def _of(pick: Callable[[list[float]], float], minutes: Sequence[MinuteView], name: str) -> float | None:
    values = [value for m in minutes if (value := getattr(m, name)) is not None]
    return pick(values) if values else None


def priorities(waiting: Sequence[int], theme: str) -> Spec:
    """How many wait, by priority, the most critical on top."""
    rows = [[f"P{p}", n] for p, n in enumerate(waiting)]
    bar = {
        "type": "bar", "color": _ink(LOOKS["waiting"], theme), "barCategoryGap": "30%", "selectedMode": "single",
        "label": {"show": True, "position": "right"},
    }  # fmt: skip
    return {
        "animation": False,
        "grid": {"left": 4, "right": 44, "top": 4, "bottom": 4, "containLabel": True},
        "dataset": {"source": pd.DataFrame(rows, columns=["priority", "waiting"])},
        "xAxis": {"type": "value", "min": 0, "minInterval": 1, "show": False},
        "yAxis": {"type": "category", "axisTick": {"show": False}, "axisLine": {"show": False}},
        "series": [bar],
    }


def gantt(attempts: Sequence[AttemptView], now: datetime, theme: str) -> Spec:
    """A bar for each attempt: its wait apart from its run, from the moment the first attempt could run.

    ECharts has no Gantt chart; the first part of each stacked bar is transparent and stands for the time before.
    """
    start = min((t for a in attempts for t in (a.ready_at, a.dispatched_at, a.started_at) if t), default=now)
    parts = [_parts(a, start, now) for a in attempts]
    size, unit = _unit(max(sum(part) for part in parts))
    series = _gantt_series(attempts, [[round(ms / size, 3) for ms in part] for part in parts], theme)
    return {
        "animation": False,
        "grid": {**_GRID, "right": 28, "top": 26, "bottom": 26},
        # Not to be clicked: a part that is hidden would move those behind it to another time.
        "legend": {"top": 0, "left": 0, "itemWidth": 12, "itemHeight": 8, "selectedMode": False,
                   "data": [s["name"] for s in series[1:]]},
        "tooltip": {"trigger": "item", "valueFormatter": f"%.3f {unit}"},
        "xAxis": {"type": "value", "min": 0, "splitNumber": 4, "position": "bottom",
                  "axisLabel": {"formatter": f"{{value}} {unit}", "hideOverlap": True},
                  "name": "since the first attempt could run", "nameLocation": "middle", "nameGap": 26},
        "yAxis": {"type": "category", "inverse": True, "axisTick": {"show": False},
                  "data": [f"attempt {a.attempt}" for a in attempts]},
        "series": series,
    }  # fmt: skip


def _gantt_series(attempts: Sequence[AttemptView], scaled: list[list[float]], theme: str) -> list[Spec]:
    base: Spec = {"type": "bar", "stack": "all", "barMaxWidth": 18}
    untold: Spec = {"silent": True, "tooltip": {"show": False}}
    before = untold | {"itemStyle": {"color": "transparent"}}
    lost = untold | {"itemStyle": _HATCHED}  # its length is no duration
    wait = {"color": _ink(LOOKS["waiting"], theme), "itemStyle": {"opacity": 0.55}}
    began = {a.state for a in attempts if a.started_at}
    return [
        base | before | {"name": "before", "data": [s[0] for s in scaled]},
        base | wait | {"name": "waited for a worker", "data": [s[1] for s in scaled]},
        *(
            base | (lost if state == "lost" else {}) | {"name": _ran(state), "color": _ink(look, theme),
                    "data": [s[2] if a.state == state else 0 for a, s in zip(attempts, scaled, strict=True)]}
            for state, look in LOOKS.items() if state in began
        ),
    ]  # fmt: skip


def _ran(state: StateName) -> str:
    """What the run of an attempt in this state is called beside its colour."""
    if state == "lost":
        return "may have run until found lost"
    return "runs" if state == "running" else f"ran, {LOOKS[state].word}"


def _parts(attempt: AttemptView, start: datetime, now: datetime) -> tuple[float, float, float]:
    """Milliseconds before, of waiting, of running; what has not ended yet lasts until now."""
    ready = attempt.ready_at or attempt.dispatched_at or attempt.started_at or start
    started = attempt.started_at or attempt.finished_at or now
    finished = attempt.finished_at or (now if attempt.started_at else started)
    return _ms(start, ready), _ms(ready, started), _ms(started, finished)


def _ms(start: datetime, end: datetime) -> float:
    return max((end - start) / timedelta(milliseconds=1), 0.0)
