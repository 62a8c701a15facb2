"""What is printed of an order that was accepted: its id, and whether anything was executed."""

import shlex
from collections.abc import Sequence

from rich.text import Text

from pipelines.command import command
from pipelines.views import TERMINAL_STATES, Accepted
from ui.cli.common import Common, print_json, undecided
from ui.cli.looks import console, notes, safe, state
from ui.parts import formats


def report(accepted: Accepted, common: Common) -> None:
    """Print the id, and for people what else is known, or that nobody has decided on it yet."""
    if common.json:
        return print_json(accepted)
    _shown(accepted)
    if not accepted.decided:
        undecided(f"accepted, and durable; no word of a scheduler yet: `{command('doctor')}` says whether one is there")
    return None


def report_all(accepted: Sequence[Accepted], common: Common) -> None:
    """The same for many, of which no decision was waited for."""
    if common.json:
        return print_json(accepted)
    for one in accepted:
        _shown(one)
    if len(accepted) > 1:
        notes.print(f"{len(accepted):,} accepted")
    return None


def _shown(accepted: Accepted) -> None:
    remark(accepted)
    console.print(safe(accepted.execution or accepted.run or accepted.pipeline or accepted.task), soft_wrap=True)
    if accepted.state:
        notes.print(Text.assemble(state(accepted.state), _follow(accepted)), soft_wrap=True)
    if accepted.execution is None and accepted.run:
        line = command(f"list --run {shlex.quote(accepted.run)}")
        notes.print(Text.assemble("a run of the pipeline; follow it: ", safe(line)), soft_wrap=True)


def _follow(accepted: Accepted) -> str:
    """How to see what becomes of an execution that has not ended."""
    if accepted.execution is None or accepted.state in TERMINAL_STATES:
        return ""
    return f"; follow it: {command(f'show {formats.short_id(accepted.execution)}')}"


def remark(accepted: Accepted) -> None:
    """Say what to know of it, and where nothing was executed why, and how to execute something."""
    if accepted.detail:
        notes.print(safe(accepted.detail), soft_wrap=True)
    if not accepted.existing:
        return
    what = accepted.task or f"the pipeline {accepted.pipeline}"
    run = f"the run {accepted.run}" if accepted.run else "the run without a name"
    ways = ["name another --run"]
    if accepted.execution:
        ways.append("submit it under another --id")
    if accepted.execution and accepted.state in TERMINAL_STATES:
        ways.append(f"`{command(f'retry {formats.short_id(accepted.execution)}')}`")
    said = f"nothing was executed: {what} was there in {run} before; for a new execution"
    notes.print(safe(f"{said} {', or '.join(ways)}"), soft_wrap=True)
