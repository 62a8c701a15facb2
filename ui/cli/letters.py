"""`headrace dead-letters`."""

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
    drawn, out = fitted(
        [_cells(one) for one in found], names="reason", cut=["begins with"], spare=["begins with", "stage"]
    )
    console.print(drawn)
    return notes.print("all of each: -o json") if out else None


def _cells(one: DeadLetterView) -> Row:
    return {
        "at": moment(one.at),
        "where": _where(one),
        "reason": name(one.reason),
        "stage": one.stage,
        "begins with": cell(one.first_bytes),
    }


def _where(one: DeadLetterView) -> str:
    """Topic, partition and offset; behind a colon the command's place in a message that holds many."""
    return f"{one.topic}/{one.partition}@{one.offset}" + (f":{one.index}" if one.index else "")
