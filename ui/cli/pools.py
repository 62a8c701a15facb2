"""`headrace workers` and `headrace queues`."""

from pipelines.command import command
from pipelines.views import PoolView
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import cell, console, name, notes
from ui.cli.tables import Row, fitted
from ui.parts import formats


def workers(*, common: Common = PLAIN) -> None:
    """The command `workers`."""
    with connected() as client:
        found = client.workers()
    if common.json:
        return print_json(found)
    if not found:
        return notes.print(f"No worker. Start one: {command('worker')}")
    rows: list[Row] = [
        {
            "worker": name(f"{one.worker} (drains)" if one.draining else one.worker),
            "pool": name(one.pool),
            "host": cell(one.host),
            "running": str(one.running),
            "slots": str(one.slots),
            "held": str(one.held),
            "silent": formats.duration(one.silent_ms),
        }
        for one in found
    ]
    figures = ["running", "slots", "held", "silent"]
    drawn, _ = fitted(rows, names="worker", cut=["host"], spare=["host", "held", "slots"], right=figures)
    return console.print(drawn)


def queues(*, common: Common = PLAIN) -> None:
    """The command `queues`."""
    with connected() as client:
        found = client.pools()
    if common.json:
        return print_json(found)
    if not found:
        return notes.print("No pool has been used yet.")
    rows = [_cells(pool) for pool in found]
    idle = [formats.priority(p) for p in range(10) if not any(pool.waiting[p] for pool in found)]
    drawn, _ = fitted(rows, names="pool", spare=idle, right=[column for column in rows[0] if column != "pool"])
    return console.print(drawn)


def _cells(pool: PoolView) -> Row:
    by_priority = {
        formats.priority(p): formats.count(waiting) if waiting else formats.MISSING
        for p, waiting in reversed(list(enumerate(pool.waiting)))
    }
    return {
        "pool": name(pool.pool),
        "waiting": formats.count(sum(pool.waiting)),
        **by_priority,
        "oldest": formats.duration(pool.oldest_wait_ms),
        "running": str(pool.running),
        "slots": str(pool.slots),
    }
