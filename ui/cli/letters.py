"""`headrace dead-letters`."""

from pipelines.views import DeadLetterView
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import cell, console, moment, narrow, notes, safe, table


def dead_letters(*, limit: int = 50, common: Common = PLAIN) -> None:
    """What was refused, and why; the newest first.

    Args:
        limit: Rows.
        common: Of every command.
    """
    with connected() as client:
        found = client.dead_letters(limit=limit)
    if common.json:
        return print_json(found)
    columns = ["at", "where", "reason"] if narrow() else ["at", "where", "reason", "stage", "begins with"]
    drawn = table(columns, whole=["at", "where", "stage"])
    for one in found:
        cells = (moment(one.at), _where(one), safe(" ".join(one.reason.split())), one.stage, cell(one.first_bytes))
        drawn.add_row(*cells[: len(columns)])
    if not found:
        return notes.print("No dead letters. Messages that cannot be carried out come here with their reason.")
    console.print(drawn)
    return notes.print("all of each: -o json") if narrow() else None


def _where(one: DeadLetterView) -> str:
    """Topic, partition and offset; behind a colon the command's place in a message that holds many."""
    return f"{one.topic}/{one.partition}@{one.offset}" + (f":{one.index}" if one.index else "")
