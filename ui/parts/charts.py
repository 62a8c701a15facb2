"""Charts as ECharts options: zero-based, gaps stay gaps, states in their own colours and order."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pandas as pd

from pipelines.views import AttemptView, MinuteView
from ui.parts import states
from ui.parts.states import LOOKS, Look

Spec = dict[str, Any]

_UNITS = ((3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
_COUNTS = ("created", "succeeded", "failed", "other", "late")
_MIDDLE = ("waited_p50_ms", "ran_p50_ms")
_WORST = ("waited_p99_ms", "ran_p99_ms")
_GRID: Spec = {"left": 8, "right": 16, "top": 28, "bottom": 8, "containLabel": True}


def _ink(look: Look, theme: str) -> str:
    return states.colour(look, theme)


def throughput(minutes: Sequence[MinuteView], theme: str, zone: tzinfo) -> Spec:
    """Executions that ended, a bar for each minute, by how they ended."""
    series = {"succeeded": LOOKS["succeeded"], "failed": LOOKS["failed"], "other": LOOKS["cancelled"]}
    rows = [[_label(m.minute, zone), m.succeeded, m.failed, m.other] for m in minutes]
    bars = [
        {"type": "bar", "name": name, "stack": "ended", "color": _ink(look, theme), "barCategoryGap": "15%",
         "selectedMode": "single"}
        for name, look in series.items()
    ]  # fmt: skip
    return _by_minute(pd.DataFrame(rows, columns=["minute", *series]), bars)


def latency(minutes: Sequence[MinuteView], theme: str, zone: tzinfo) -> Spec:
    """How long executions waited and ran, each minute's p50 and p99, in seconds. No mean."""
    series = {
        "waited p50": ("waited_p50_ms", LOOKS["waiting"], "solid"),
        "waited p99": ("waited_p99_ms", LOOKS["waiting"], "dashed"),
        "ran p50": ("ran_p50_ms", LOOKS["running"], "solid"),
        "ran p99": ("ran_p99_ms", LOOKS["running"], "dashed"),
    }
    rows = [
        [_label(m.minute, zone), *(_seconds(getattr(m, field)) for field, _, _ in series.values())] for m in minutes
    ]
    lines = [
        {"type": "line", "name": name, "color": _ink(look, theme), "lineStyle": {"type": style, "width": 1.5},
         "symbol": "circle", "symbolSize": 3, "connectNulls": False}
        for name, (_, look, style) in series.items()
    ]  # fmt: skip
    spec = _by_minute(pd.DataFrame(rows, columns=["minute", *series]), lines)
    return spec | {"yAxis": spec["yAxis"] | {"minInterval": 0, "axisLabel": {"formatter": "{value} s"}}}


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 3)


def _label(minute: datetime, zone: tzinfo) -> str:
    return f"{minute.astimezone(zone):%d %b\n%H:%M}"


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
    size, unit = next(u for u in _UNITS if u[0] == 1 or max(sum(p) for p in parts) >= 2 * u[0])
    scaled = [[round(ms / size, 3) for ms in part] for part in parts]
    return {
        "animation": False,
        "grid": {**_GRID, "top": 26},
        "legend": {"top": 0, "left": 0, "itemWidth": 12, "itemHeight": 8, "data": ["waited"]},
        "tooltip": {"trigger": "item", "valueFormatter": f"%.3f {unit}"},
        "xAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": f"{{value}} {unit}"}, "position": "bottom"},
        "yAxis": {"type": "category", "inverse": True, "axisTick": {"show": False},
                  "data": [f"attempt {a.attempt}" for a in attempts]},
        "series": _gantt_series(attempts, scaled, theme),
    }  # fmt: skip


def _gantt_series(attempts: Sequence[AttemptView], scaled: list[list[float]], theme: str) -> list[Spec]:
    base: Spec = {"type": "bar", "stack": "all", "barMaxWidth": 18}
    before = {"silent": True, "itemStyle": {"color": "transparent"}, "tooltip": {"show": False}}
    wait = {"color": _ink(LOOKS["waiting"], theme), "itemStyle": {"opacity": 0.55}}
    ran = [
        {"value": s[2], "itemStyle": {"color": _ink(LOOKS[a.state], theme)}}
        for a, s in zip(attempts, scaled, strict=True)
    ]
    return [
        base | before | {"name": "before", "data": [s[0] for s in scaled]},
        base | wait | {"name": "waited", "data": [s[1] for s in scaled]},
        base | {"name": "ran", "color": _ink(LOOKS["running"], theme), "data": ran},
    ]


def _parts(attempt: AttemptView, start: datetime, now: datetime) -> tuple[float, float, float]:
    """Milliseconds before, of waiting, of running; what has not ended yet lasts until now."""
    ready = attempt.ready_at or attempt.dispatched_at or attempt.started_at or start
    started = attempt.started_at or attempt.finished_at or now
    finished = attempt.finished_at or (now if attempt.started_at else started)
    return _ms(start, ready), _ms(ready, started), _ms(started, finished)


def _ms(start: datetime, end: datetime) -> float:
    return max((end - start) / timedelta(milliseconds=1), 0.0)
