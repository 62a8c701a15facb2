"""Clocks that jump by an hour, forth and back: libfaketime, before one process at a time."""

from dataclasses import replace
from pathlib import Path
from random import Random

from streams.local.errors import SetupError
from streams.local.supervisor import Child
from tests.chaos.faults import Hunt, kill, until_up, wait
from tests.chaos.stage import OURS, Stage, note

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = ("+3600", "+0", "-3600", "+0")
"""Seconds from the machine's clock, one after the other: each step is a jump of an hour."""

STAYS = 8.0, 14.0
"""Seconds between two jumps."""


def jumps(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """The clock of each process in turn."""
    return {"clock": _hunt(stage, Random(seed))}


def _hunt(stage: Stage, chance: Random) -> Hunt:
    while True:
        for role in OURS:
            victim = chance.choice(stage.system.of(role))
            clock = stage.system.settings.home / f"{victim.role.name}.clock"
            yield from _with_own_clock(stage, role, victim, clock)
            for offset in JUMPS:
                yield from wait(chance.uniform(*STAYS))
                strike = note(stage, f"clock {offset}", role, victim.role.name)
                clock.write_text(offset)
                yield from until_up([victim])
                strike.end()


def _with_own_clock(stage: Stage, role: str, victim: Child, clock: Path) -> Hunt:
    """Start it again with a clock that can be set."""
    found = sorted(Path("/").glob(LIBRARY.lstrip("/")))
    if not found:
        raise SetupError("libfaketime is missing: install the package (Debian: apt install faketime)")
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",  # seconds after which it looks for a new time
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # no clock that is set moves that one
        "NO_FAKE_STAT": "1",
    }
    victim.role = replace(victim.role, env={**(victim.role.env or {}), **faked})
    yield from kill(stage, role, victim)
    yield from until_up([victim])
