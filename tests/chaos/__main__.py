"""Torment a real system of its own and judge it: `./dev chaos --minutes 6 --seed 1 [-o json]`.

Prints each fault as it happens and then the figures. Ends with 1 where a promise was broken, with the evidence.
"""

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table

from streams.local.errors import SetupError
from tests.chaos.run import Report, chaos

SHOWN = 10
"""Violations of one promise that are printed."""


def main() -> int:
    """Run, and say what came of it."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", "-o", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    try:
        report = chaos(asked.minutes, asked.seed, _say)
    except SetupError as error:
        sys.exit(f"chaos: {error}")
    _print_json(report) if asked.output == "json" else _print_table(report)
    return 1 if report.verdict.violations else 0


def _say(line: str) -> None:
    """An event, in one line: a killed process has nothing of interest in its log."""
    sys.stderr.write(line.partition(". The end of its log")[0] + "\n")


def _print_json(report: Report) -> None:
    evidence = {name: [v._asdict() for v in found] for name, found in report.evidence().items()}
    sys.stdout.write(json.dumps({**report.figures, "evidence": evidence}, indent=2) + "\n")


def _print_table(report: Report) -> None:
    table = Table(show_header=False)
    for name, value in report.figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown or "none")
    Console().print(table)
    for name, found in report.evidence().items():
        lines = [f"{name} {v.execution}: {v.evidence}\n" for v in found[:SHOWN]]
        sys.stdout.writelines([*lines, f"{name}: {len(found)} in all\n"])


if __name__ == "__main__":
    sys.exit(main())
