"""The faults: what befalls each role and in which order follows from the seed; when, and how long, is the machine's."""

import os
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from random import Random

from streams.local.errors import SetupError
from streams.local.supervisor import TICK, Child
from tests.chaos.stage import Goal, Pace, Stage, Strike, note

Hunt = Generator[None, None, None]
"""One role's torment: goes on a step with each `next`."""

Ender = Callable[[Stage, str, Child], Hunt]
"""How a process of a role ends: `kill` or `restart`."""

SIGNALS = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "restart": signal.SIGTERM}

UP_WITHIN = 120.0
"""Seconds in which a role has to be up again."""

NOTICED = 0.2
"""Seconds after which the supervisor knows of a kill."""


def rage(stage: Stage, hunts: Mapping[str, Hunt], goal: Goal) -> None:
    """Carry out faults until it is enough; returns when all is up again. Raises SetupError where something is not."""
    supervisor, begun = stage.system.supervisor, time.monotonic()
    try:
        while not goal.reached(time.monotonic() - begun, hunts, stage.strikes):
            supervisor.pause(TICK)
            for one in hunts.values():
                next(one)
    finally:
        for one in hunts.values():
            one.close()
    supervisor.pause(NOTICED)
    supervisor.wait(supervisor.children)


def hunt(stage: Stage, role: str, pace: Pace, chance: Random) -> Hunt:
    """One process of a role at a time, for ever; a paused one goes on when this is closed."""
    yield from wait(chance.uniform(0.5, pace.between[0] + 2))
    while True:
        for what in chance.sample(pace.round, len(pace.round)):
            victims = stage.system.of(role)
            victim, length = victims[chance.randrange(len(victims))], pace.silence * chance.uniform(1.2, 2.5)
            while pace.keeps_calm and stage.is_calm:
                yield
            yield from until_up(victims)
            yield from kill(stage, role, victim) if what == "kill" else pause(stage, role, victim, length)
            yield from _until_over(stage.strikes, victim, victims)
            yield from wait(chance.uniform(*pace.between))


def rolling(stage: Stage, roles: Sequence[str], between: tuple[float, float], chance: Random, end: Ender) -> Hunt:
    """One process after the other ends so and starts again, all of these roles in turn, for ever."""
    while True:
        for role in roles:
            for victim in stage.system.of(role):
                yield from wait(chance.uniform(*between))
                yield from end(stage, role, victim)
                yield from _until_over(stage.strikes, victim, [victim])


def visits(stage: Stage, between: tuple[float, float], chance: Random) -> Hunt:
    """One more scheduler joins and leaves, for ever; it is gone when this is closed."""
    while True:
        yield from wait(chance.uniform(*between))
        visitor = stage.system.invite()
        _strike(stage, "join", "scheduler", visitor)
        try:
            yield from _until_over(stage.strikes, visitor, [visitor])
            yield from wait(chance.uniform(*between))
            pid = _strike(stage, "leave", "scheduler", visitor)
        finally:
            stage.system.dismiss(visitor)
        yield from _until_gone(visitor, pid)


def kill(stage: Stage, role: str, victim: Child) -> Hunt:
    """End it at once."""
    _strike(stage, "kill", role, victim)
    yield from wait(NOTICED)


def pause(stage: Stage, role: str, victim: Child, length: float) -> Hunt:
    """Stop it, and let it go on: then it needs a while to learn what it has missed."""
    pid = _strike(stage, "pause", role, victim)
    try:
        yield from wait(length)
    finally:
        os.kill(pid, signal.SIGCONT)
        stage.say(f"{victim.role.name} goes on")
    yield from wait(stage.system.settings.session_timeout)


def restart(stage: Stage, role: str, victim: Child) -> Hunt:
    """Ask it to end, as whoever brings a new version does; its supervisor starts it again."""
    yield from _until_gone(victim, _strike(stage, "restart", role, victim))
    yield from wait(NOTICED)


def _strike(stage: Stage, what: str, role: str, victim: Child) -> int:
    if victim.process is None:
        raise AssertionError(f"{victim.role.name} is ready and has no process")
    pid = victim.process.pid
    if number := SIGNALS.get(what):
        os.kill(pid, number)
    note(stage, what, role, victim.role.name, pid)
    return pid


def _until_gone(child: Child, pid: int) -> Hunt:
    while child.process and child.process.pid == pid and child.process.poll() is None:
        yield


def _until_over(strikes: list[Strike], victim: Child, children: list[Child]) -> Hunt:
    """Until they are up again after the last strike at `victim`."""
    strike = next(s for s in reversed(strikes) if s.name == victim.role.name)
    yield from until_up(children)
    strike.end()


def until_up(children: list[Child]) -> Hunt:
    """Until these are ready. Raises SetupError where one is not within two minutes."""
    deadline = time.monotonic() + UP_WITHIN
    while late := [child for child in children if not child.ready]:
        if time.monotonic() > deadline:
            raise SetupError(f"{late[0].role.name} is not up again after {UP_WITHIN:.0f} s:{late[0].tail}")
        yield


def wait(seconds: float) -> Hunt:
    """For so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
