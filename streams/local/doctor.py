"""`headrace doctor`: what is wrong with this machine or set-up, and how to mend it."""

import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.model import Model
from streams.local.checks import kafka, machine, system
from streams.local.checks.check import Check
from streams.local.cluster import local_settings
from streams.settings import Settings
from ui.cli.looks import safe

LOOKS: tuple[Callable[[Settings], Iterator[Check]], ...] = (
    machine.python, machine.java, machine.jars, machine.home, machine.pipelines, machine.memory, machine.sandbox,
    system.ports, kafka.kafka, system.edge,
)  # fmt: skip
"""What is looked at, in this order."""


class Report(Model):
    """All answers. `ok`: nothing fails."""

    ok: bool
    checks: tuple[Check, ...]


def examine(settings: Settings) -> Report:
    """Look at everything; takes a few seconds at most."""
    settings = local_settings(settings)
    checks = tuple(check for look in LOOKS for check in look(settings))
    return Report(ok=all(check.status != "fail" for check in checks), checks=checks)


def show(settings: Settings, *, as_json: bool) -> int:
    """Print the report for people or programs. Returns the exit code."""
    report = examine(settings)
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        Console(highlight=False).print(picture(report))
    return 0 if report.ok else 1


def picture(report: Report) -> Table:
    """The report as a table."""
    marks = {"ok": Text("✓ ok", "green"), "warn": Text("! warn", "yellow"), "fail": Text("✕ fail", "red")}
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("", "check", "found, and how to mend it"):
        table.add_column(title, overflow="fold")
    for check in report.checks:
        table.add_row(marks[check.status], Text(check.name), safe(check.detail))
        if check.mend:
            table.add_row("", "", Text(f"→ {check.mend}"))
    return table
