"""Torment a real system of its own and judge it: `./dev chaos --minutes 6 --seed 1`, `./dev chaos --kills 300`.

Prints each fault as it happens, with the kills of each role so far in brackets, and then the figures. Ends with 1 where
a promise was broken, with the evidence. `--fault NAME` chooses what happens; the default is `kills`.
"""

import argparse
import json
import sys
from math import inf
from typing import Any

from rich.console import Console
from rich.table import Table

from streams.local.errors import SetupError
from streams.settings import exits_on_wrong_settings
from tests.chaos.brokers import three_brokers
from tests.chaos.run import Report, Trial, chaos
from tests.chaos.stage import Goal
from tests.chaos.throughput import storm_rate
from tests.chaos.unrecorded import clickhouse_rate
from tests.chaos.weather import WEATHERS
from tests.history.facts import Violation

SHOWN = 10
"""Violations of one promise that are printed."""

SCENES = {"leaders": three_brokers, "storm-rate": storm_rate, "clickhouse-rate": clickhouse_rate}
"""Faults that have a play of their own, and take as long as they take."""


def main() -> int:
    """Run, and say what came of it."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument(
        "--fault", choices=(*WEATHERS, *SCENES), default="kills", help="what happens; docs/faults.md tells of each"
    )
    parser.add_argument("--minutes", type=float, help="for so long; 2 where no kills are named")
    parser.add_argument("--kills", type=int, help="end when each role was killed so often")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the faults; 1 where nothing is said")
    parser.add_argument("--keep", action="store_true", help="let the folder with all logs stay, whatever came of it")
    parser.add_argument(
        "--output", "-o", choices=("table", "json"), default="table", help="of the report; default: table"
    )
    asked = parser.parse_args()
    if asked.fault in SCENES and (asked.kills or asked.minutes):
        parser.error(f"{asked.fault} takes as long as it takes: leave out --minutes and --kills")
    if asked.kills and asked.fault not in (killing := [name for name, one in WEATHERS.items() if one.kills]):
        parser.error(f"--kills goes with --fault {' or '.join(killing)}; for {asked.fault} say --minutes")
    goal = _goal(asked.minutes, asked.kills)
    if asked.fault in WEATHERS and goal.seconds < (least := WEATHERS[asked.fault].least):
        parser.error(f"{asked.fault} takes --minutes {least / 60:.2g} at least")
    try:
        figures, evidence = _played(asked, goal)
    except SetupError as error:
        sys.exit(f"chaos: {error}")
    _print_json(figures, evidence) if asked.output == "json" else _print_table(figures, evidence)
    return 1 if figures["violations"] else 0


def _played(asked: argparse.Namespace, goal: Goal) -> tuple[dict[str, Any], dict[str, list[Violation]]]:
    """Figures, and what breaks each promise."""
    if scene := SCENES.get(asked.fault):
        return scene(_say), {}
    report: Report = chaos(Trial(goal, asked.seed, asked.fault, asked.keep), _say)
    return report.figures, report.evidence()


def _goal(minutes: float | None, kills: int | None) -> Goal:
    limit = minutes if minutes is not None else inf if kills else 2.0
    return Goal(limit * 60, kills or inf)


def _say(line: str) -> None:
    """An event, in one line: a killed process has nothing of interest in its log."""
    sys.stderr.write(line.partition(". The end of its log")[0] + "\n")


def _print_json(figures: dict[str, Any], evidence: dict[str, list[Violation]]) -> None:
    shown = {name: [v._asdict() for v in found] for name, found in evidence.items()}
    sys.stdout.write(json.dumps({**figures, "evidence": shown}, indent=2) + "\n")


def _print_table(figures: dict[str, Any], evidence: dict[str, list[Violation]]) -> None:
    table = Table(show_header=False)
    for name, value in figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown or "none")
    Console().print(table)
    for name, found in evidence.items():
        lines = [f"{name} {v.execution}: {v.evidence}\n" for v in found[:SHOWN]]
        sys.stdout.writelines([*lines, f"{name}: {len(found)} in all\n"])


if __name__ == "__main__":
    with exits_on_wrong_settings():
        sys.exit(main())
