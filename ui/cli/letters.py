"""`headrace dead-letters`."""

from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import console, moment, notes, safe, table


def dead_letters(*, limit: int = 50, common: Common = PLAIN) -> None:
    """What was refused, and why; the newest first.

    Args:
        limit: How many.
        common: Of every command.
    """
    with connected() as client:
        found = client.dead_letters(limit=limit)
    if common.json:
        return print_json(found)
    drawn = table(["at", "stage", "where", "reason", "begins with"])
    for one in found:
        where = f"{one.topic}/{one.partition}@{one.offset}"
        drawn.add_row(moment(one.at), one.stage, where, safe(one.reason), safe(one.first_bytes[:60]))
    if not found:
        return notes.print("No dead letters. Messages that cannot be carried out come here with their reason.")
    return console.print(drawn)
