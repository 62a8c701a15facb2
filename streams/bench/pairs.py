"""The same load in two systems by turns: a machine's speed drifts, and only what was measured side by side compares."""

import statistics
from collections.abc import Iterable

from streams.bench.load import Load
from streams.bench.run import once
from streams.bench.show import Figures, Row
from streams.bench.system import System, say


def by_turns(here: System, beside: System, measured: Load, repeats: int) -> Figures:
    """Rates in both, one after the other, the next time the other way round, and the ratio of each pair."""
    pairs: list[tuple[Figures, Figures]] = []
    for number in range(repeats):
        turns = (beside, here) if number % 2 == 0 else (here, beside)
        found = {system: once(system, measured) for system in turns}
        pairs.append((found[here], found[beside]))
        say(f"{_rate(found[here]):,} executions/s, and {_rate(found[beside]):,} in the other one")
    ratios = [round(_rate(one) / _rate(other), 3) for one, other in pairs]
    return {
        "executions_per_second": [_rate(one) for one, _ in pairs],
        "in_the_other_one": [_rate(other) for _, other in pairs],
        "ratios": ratios,
        "ratio": statistics.median(ratios),
        "cpu_seconds_per_1000": [one["cpu_seconds_per_1000"]["all"] for one, _ in pairs],
        "cpu_seconds_per_1000_in_the_other_one": [other["cpu_seconds_per_1000"]["all"] for _, other in pairs],
    }


def rows(what: str, other: str, found: Figures) -> list[Row]:
    """Rows of a table: the system in question, the other one, and their ratios."""
    return [
        (what, "executions/s", _floats(found["executions_per_second"])),
        (f"  {other} by turns", "executions/s", _floats(found["in_the_other_one"])),
        ("  in each pair", f"% of {other}", [100 * ratio for ratio in found["ratios"]]),
    ]


def _rate(found: Figures) -> int:
    return int(found["executions_per_second"])


def _floats(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values]
