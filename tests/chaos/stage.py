"""What a play under fire is made of: its goal, what has happened so far, and how fast faults follow each other."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from tests.chaos.system import System
from tests.history.facts import Asked, Task

OURS = ("scheduler", "worker", "edge")
"""The roles whose processes are not Kafka's."""

ROLES = (*OURS, "kafka")
"""All of them, in the order in which their kills are shown."""

CALM_EVERY, CALM = 60.0, 20.0
"""Each minute ends with so many seconds in which roles that keep calm are left in peace."""


@dataclass(frozen=True)
class Pace:
    """What befalls a role in each round, in an order that is drawn anew, and how soon.

    `between`: seconds from the moment when all processes of the role are up to its next fault; the first one comes
    sooner. `silence`: seconds that a pause must exceed to be noticed. `keeps_calm`: at the same time as the others.
    """

    round: tuple[str, ...]
    between: tuple[float, float]
    silence: float
    keeps_calm: bool = False


class Goal(NamedTuple):
    """When it is enough: after so many seconds, so many kills of each role, or so many faults in all."""

    seconds: float = inf
    kills: float = inf
    faults: float = inf

    def reached(self, seconds: float, roles: Collection[str], strikes: list["Strike"]) -> bool:
        """Whether all is done to these roles."""
        done = kills(strikes)
        enough = seconds >= self.seconds or len(strikes) >= self.faults
        return enough or all(done[role] >= self.kills for role in roles)


@dataclass
class Strike:
    """What happened, and when all processes of the role were up again: epoch milliseconds."""

    at: float
    what: str
    role: str
    name: str
    pid: int = 0
    over: float = inf

    def end(self) -> None:
        """All is up again now."""
        self.over = time.time() * 1000


@dataclass
class Stage:
    """Where it plays: the system, whom to tell, and what has happened so far.

    `asked` and `tasks` are what the fault itself asked for, to be judged with what people did.
    """

    system: System
    tell: Callable[[str], None]
    strikes: list[Strike] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    extras: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def is_calm(self) -> bool:
        """Whether roles that keep calm are left in peace now."""
        return (time.monotonic() - self.begun) % CALM_EVERY >= CALM_EVERY - CALM

    def say(self, line: str) -> None:
        """A fault, with its time and the kills so far."""
        done = kills(self.strikes)
        counts = ", ".join(f"{role} {done[role]}" for role in ROLES)
        self.tell(f"{time.monotonic() - self.begun:7.1f} s  [{counts}]  {line}")


def kills(strikes: list[Strike]) -> Counter[str]:
    """How many there were of each role."""
    return Counter(strike.role for strike in strikes if strike.what == "kill")


def note(stage: Stage, what: str, role: str, name: str, pid: int = 0) -> Strike:
    """Write down what happens now."""
    stage.strikes.append(Strike(time.time() * 1000, what, role, name, pid))
    stage.say(f"{what} {name}")
    return stage.strikes[-1]
