"""Figures for people (tables, with bars) and for programs (JSON)."""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]
Row = tuple[str, str, list[float]]
"""What it is, its unit, and its value in each run."""

WIDTH = 24
"""Characters of the longest bar."""

EIGHTHS = " ▏▎▍▌▋▊▉"

RATE = "executions_per_second"

SHORT = 5.0
"""Seconds below which what a measurement waits for in any case, such as a write to the history, is much of it."""


def figures(found: list[Figures], output: str) -> None:
    """One measurement: its figures as they are, or of several runs the spread of each."""
    if output == "json":
        as_json(found[0] if len(found) == 1 else {"runs": found, "spread": spreads(found)})
        return
    if len(found) == 1:
        plain(found[0])
    else:
        title = f"{len(found)} runs" + (f"; each task: {found[0]['task']}" if "task" in found[0] else "")
        table(title, [(words(name), "", values) for name, values in numbers(found)])
    if any(one.get("seconds", SHORT) < SHORT for one in found):
        sys.stdout.write(f"\nIn less than {SHORT:g} s the rate is mostly that of fixed waits: try more --executions.\n")


def short_set(found: list[dict[str, Figures]], output: str) -> None:
    """The short set, a row a figure."""
    if output == "json":
        each = {name: spreads([one[name] for one in found]) for name in found[0]}
        as_json({"runs": found, "spread": each})
        return
    where, task = found[0]["throughput"]["machine"], found[0]["throughput"]["task"]
    what = f"{len(found)} run(s), {where['cores']} cores, {where['memory_gib']} GiB, Python {where['python']}"
    table(f"{what}; each task: {task}", list(_rows_of_set(found)))


def _rows_of_set(found: list[dict[str, Figures]]) -> Iterator[Row]:
    for name in ("throughput", "chain"):
        yield f"{name}, {found[0][name]['executions']:,}", "executions/s", [one[name][RATE] for one in found]
    for figure in ("p50", "p99"):
        values = [one["latency"]["latency_ms"][figure] for one in found]
        yield f"latency at 50/s, {figure}", "ms", values
    for role in found[0]["throughput"]["cpu_seconds_per_1000"]:
        values = [one["throughput"]["cpu_seconds_per_1000"][role] for one in found]
        yield f"CPU of throughput, {role}", "s/1,000", values


def as_json(value: object) -> None:
    """JSON on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def plain(one: Figures) -> None:
    """A line a figure; what is a table in itself was said as it came, and JSON has it."""
    for name, value in one.items():
        if not (isinstance(value, list) and any(isinstance(line, dict) for line in value)):
            sys.stdout.write(f"{words(name):24} {_text(value)}\n")


def words(name: str) -> str:
    """What a figure is called; of one inside another, behind a comma."""
    return name.replace("_", " ").replace(".", ", ")


def table(title: str, rows: list[Row]) -> None:
    """Least, median and most of each figure, with bars of the medians; bars of one unit share a scale."""
    shown = Table(title=title, title_justify="left")
    once = all(len(values) == 1 for _, _, values in rows)
    shown.add_column("figure")
    shown.add_column("unit")
    for column in ("value",) if once else ("min", "median", "max"):
        shown.add_column(column, justify="right")
    shown.add_column("beside its unit's most", width=WIDTH)
    longest = {unit: max(statistics.median(v) for _, u, v in rows if u == unit) for _, unit, _ in rows}
    for name, unit, values in rows:
        middle = statistics.median(values)
        line = bar(middle, longest[unit]) if unit else ""
        cells = [middle] if once else [min(values), middle, max(values)]
        shown.add_row(name, unit, *map(_text, cells), line)
    Console(width=None if sys.stdout.isatty() else 110).print(shown)


def bar(value: float, longest: float) -> str:
    """A bar whose length says how large a value is beside the longest."""
    eighths = round(value / longest * WIDTH * 8) if longest else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def spreads(found: list[Figures]) -> dict[str, dict[str, float]]:
    """Least, median and most of every number."""
    return {name: spread(values) for name, values in numbers(found)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and most."""
    return {"min": min(values), "median": round(statistics.median(values), 4), "max": max(values)}


def numbers(found: list[Figures]) -> Iterator[tuple[str, list[float]]]:
    """The numbers that all runs have, by name; what is inside another figure is named behind a dot."""
    flat = [dict(_flat(one)) for one in found]
    for name in flat[0]:
        if all(name in one for one in flat):
            yield name, [one[name] for one in flat]


def _flat(one: Figures, prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in one.items():
        if isinstance(value, dict) and name != "machine":
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value


def _text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
        case list():
            return ", ".join(map(_text, value))
        case float() | int():
            return f"{round(value, 3):,.15g}"
    return str(value)
