"""The faults: which, of whom and when follows from the seed; how long anything takes is the machine's to say."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from streams.settings import Settings
from tests.chaos.system import System

ROUND = (
    *[("kill", "scheduler"), ("kill", "worker")] * 3,
    *(("pause", "scheduler"), ("pause", "worker"), ("kill", "edge"), ("pause", "edge")),
    *(("kill", "kafka"), ("pause", "kafka")),
)
"""What happens in each round, in an order that is drawn anew."""

BETWEEN = 0.5, 8.0
"""Seconds from the moment when all is up again to the next fault: within a lease of the last one, and behind it."""


class Fault(NamedTuple):
    """What will happen. `which` is a number that chooses among the processes of the role; times are seconds."""

    after: float
    what: str
    role: str
    which: int
    length: float


class Strike(NamedTuple):
    """What happened. `at` is epoch milliseconds."""

    at: float
    what: str
    role: str
    name: str
    pid: int


def plan(seed: int, settings: Settings) -> Iterator[Fault]:
    """Faults without end."""
    chance = Random(seed)
    silence = {"scheduler": settings.session_timeout, "worker": settings.lease}
    while True:
        for what, role in chance.sample(ROUND, len(ROUND)):
            length = silence.get(role, 2.0) * chance.uniform(1.2, 2.5)
            yield Fault(chance.uniform(*BETWEEN), what, role, chance.randrange(100), length)


def rage(system: System, seed: int, seconds: float, say: Callable[[str], None]) -> list[Strike]:
    """Carry out faults for so long; returns when all is up again. Raises SetupError where something stays down."""
    begun, strikes = time.monotonic(), []
    for fault in plan(seed, system.settings):
        system.supervisor.pause(fault.after)
        if time.monotonic() > begun + seconds:
            return strikes
        strikes.append(_strike(system, fault))
        length = f" for {fault.length:.1f} s" if fault.what == "pause" else ""
        say(f"{time.monotonic() - begun:6.1f} s  {fault.what} {strikes[-1].name}{length} (pid {strikes[-1].pid})")
        _endure(system, fault, strikes[-1].pid)
        system.supervisor.wait(system.supervisor.children)
    raise AssertionError("a plan has no end")


def _strike(system: System, fault: Fault) -> Strike:
    victims = system.of(fault.role)
    child = victims[fault.which % len(victims)]
    if child.process is None:
        raise AssertionError(f"{child.role.name} is ready and has no process")
    pid = child.process.pid
    os.kill(pid, signal.SIGKILL if fault.what == "kill" else signal.SIGSTOP)
    return Strike(time.time() * 1000, fault.what, fault.role, child.role.name, pid)


def _endure(system: System, fault: Fault, pid: int) -> None:
    """Until the supervisor has noticed a kill, or a paused process had the time to learn what it missed."""
    if fault.what == "kill":
        system.supervisor.pause(0.2)
        return
    try:
        system.supervisor.pause(fault.length)
    finally:
        os.kill(pid, signal.SIGCONT)
    system.supervisor.pause(system.settings.session_timeout)
