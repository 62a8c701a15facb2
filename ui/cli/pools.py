"""`headrace workers` and `headrace queues`."""

from pipelines.command import command
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.looks import cell, console, name, narrow, notes, table
from ui.cli.tables import Row, fitted
from ui.parts import formats


def workers(*, common: Common = PLAIN) -> None:
    """Who works, where, on how much, and who is silent."""
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
    """Who waits, by pool and priority; the most critical first."""
    with connected() as client:
        found = client.pools()
    if common.json:
        return print_json(found)
    shown = [p for p in range(9, -1, -1) if not narrow() or any(pool.waiting[p] for pool in found)]
    priorities = [f"P{p}" for p in shown]
    drawn = table(
        ["pool", "waiting", *priorities, "oldest", "running", "slots"],
        right=["waiting", *priorities, "oldest", "running", "slots"],
    )
    for pool in found:
        by_priority = [formats.count(pool.waiting[p]) if pool.waiting[p] else formats.MISSING for p in shown]
        rest = (formats.duration(pool.oldest_wait_ms), str(pool.running), str(pool.slots))
        drawn.add_row(name(pool.pool), formats.count(sum(pool.waiting)), *by_priority, *rest)
    if not found:
        return notes.print("No pool has been used yet.")
    return console.print(drawn)
