"""`headrace dead-letters`."""

import json
import re

from pipelines.views import DeadLetterView
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import cell, console, moment, name, notes
from ui.cli.tables import Row, fitted


def dead_letters(*, limit: int = 50, common: Common = PLAIN) -> None:
    """The command `dead-letters`.

    Args:
        limit: Rows.
        common: Of every command.
    """
    with connected() as client:
        found = client.dead_letters(limit=limit)
    if common.json:
        return print_json(found)
    if not found:
        return notes.print("No dead letters. Messages that cannot be carried out come here with their reason.")
    drawn, out = fitted([_cells(one) for one in found], names="reason", cut=["what"], spare=["what", "stage"])
    console.print(drawn)
    return notes.print("all of each: -o json") if out else None


def _cells(one: DeadLetterView) -> Row:
    return {
        "at": moment(one.at),
        "where": _where(one),
        "reason": name(one.reason),
        "stage": one.stage,
        "what": cell(_order(one.first_bytes) or one.first_bytes or one.execution),
    }


def _where(one: DeadLetterView) -> str:
    """Topic, partition and offset; behind a colon the command's place in a message that holds many."""
    return f"{one.topic}/{one.partition}@{one.offset}" + (f":{one.index}" if one.index else "")


def _order(begin: str) -> str | None:
    """A command of ours in words, as in `execute greet in run monday`; none: it is none, or too long to be read."""
    try:
        told = json.loads(begin)
        what = re.sub(r"\B([A-Z])", r" \1", told["command"]).lower()
    except (ValueError, TypeError, KeyError):
        return None
    names = [one for key in ("about", "task", "pipeline", "id") if isinstance(one := told.get(key), str)]
    run = f" in run {told['run']}" if "run" in told else ""
    return f"{what} {names[0]}{run}" if names else what
