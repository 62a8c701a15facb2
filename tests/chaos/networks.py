"""Networks that are lost: nothing of one process reaches the broker, or comes back from it, for a while.

Needs root, and nftables: packets of whoever runs under a group of its own are dropped, those of their connections too.
"""

import os
import shutil
import subprocess
from dataclasses import replace
from random import Random

from streams.local.errors import SetupError
from streams.local.supervisor import Child
from tests.chaos.faults import Hunt, kill, until_up, wait
from tests.chaos.stage import OURS, Stage, note

LASTS = (1.0, 4.0), (7.0, 12.0), (15.0, 25.0)
"""Seconds: shorter than a lease, longer, and so long that connections have given up."""

CALM = 8.0, 12.0
"""Seconds between two."""

GROUP = 47_000
"""The group of the first process that is cut off now and then; the next one has the next."""


def cuts(stage: Stage, seed: int, _seconds: float) -> dict[str, Hunt]:
    """One process after the other."""
    if os.geteuid() != 0 or not shutil.which("nft"):
        raise SetupError("to cut a network off takes root and nft (Debian: apt install nftables)")
    return {"network": _hunt(stage, Random(seed))}


def _hunt(stage: Stage, chance: Random) -> Hunt:
    victims = [(role, child) for role in OURS for child in stage.system.of(role)]
    for group, (role, child) in enumerate(victims, GROUP):
        yield from _in_its_group(stage, role, child, group)
    yield from until_up([child for _, child in victims])
    while True:
        for lasts in LASTS:
            for group, (role, child) in chance.sample([*enumerate(victims, GROUP)], len(victims)):
                yield from wait(chance.uniform(*CALM))
                yield from _cut(stage, role, child, group, chance.uniform(*lasts))


def _in_its_group(stage: Stage, role: str, victim: Child, group: int) -> Hunt:
    """Start it again under a group that nobody else has."""
    command = ("setpriv", f"--regid={group}", "--clear-groups", "--", *victim.role.command)
    victim.role = replace(victim.role, command=command)
    yield from kill(stage, role, victim)


def _cut(stage: Stage, role: str, victim: Child, group: int, seconds: float) -> Hunt:
    port = stage.system.settings.kafka.rpartition(":")[2]
    table = f"headrace_chaos_{port}"
    strike = note(stage, "cut", role, victim.role.name)
    _nft(_rules(table, port, group))
    try:
        yield from wait(seconds)
    finally:
        _nft(f"delete table inet {table}")
        stage.say(f"the network of {victim.role.name} is back")
    yield from until_up([victim])
    strike.end()


def _rules(table: str, port: str, group: int) -> str:
    return f"""
        table inet {table} {{
            chain lost {{
                type filter hook output priority 0
                meta skgid {group} tcp dport {port} ct mark set {group}
                ct mark {group} drop
            }}
        }}
    """


def _nft(rules: str) -> None:
    done = subprocess.run(["nft", "-f", "-"], check=False, input=rules, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"nft: {done.stderr.strip()[:300]}")
