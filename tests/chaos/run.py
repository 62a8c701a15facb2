"""One run: load and faults side by side, then all heals and has to end, and then it is judged."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from resource import RUSAGE_SELF, getrusage
from typing import Any, NamedTuple

from streams.bench.measure import machine
from streams.settings import Settings
from tests.chaos import figures
from tests.chaos.evidence import Evidence, collect
from tests.chaos.faults import rage
from tests.chaos.people import People
from tests.chaos.receiver import Receiver
from tests.chaos.stage import Goal, Stage, Strike
from tests.chaos.system import System
from tests.chaos.weather import WEATHERS
from tests.history.facts import Violation
from tests.history.judge import Verdict, judge
from tests.simulated.virtual.life import quietly
from ui.client import ApiError, ApiUnavailableError

DRAIN = 120.0
"""Seconds from the last fault by which all must have ended (I10)."""


class Trial(NamedTuple):
    """What is tried."""

    goal: Goal
    seed: int
    weather: str = "kills"
    keep: bool = False


@dataclass(frozen=True)
class Report:
    """What came of it: figures for people and programs, and the verdict behind them."""

    figures: dict[str, Any]
    verdict: Verdict

    def evidence(self) -> dict[str, list[Violation]]:
        """Violations by promise."""
        found = defaultdict(list)
        for violation in self.verdict.violations:
            found[violation.promise].append(violation)
        return dict(found)


def chaos(trial: Trial, say: Callable[[str], None]) -> Report:
    """Torment a system of its own. Raises SetupError where it does not come up, or not again after a fault."""
    with quietly(), Receiver() as receiver, WEATHERS[trial.weather].opened(say) as tormented:
        report = _once(Stage(tormented, say), receiver, trial)
        tormented.keep = trial.keep or bool(report.figures["violations"])
        return report


def _once(stage: Stage, receiver: Receiver, trial: Trial) -> Report:
    tormented, say = stage.system, stage.tell
    people, weather = People(tormented, receiver.address, Random(trial.seed)), WEATHERS[trial.weather]
    with people.busy():
        rage(stage, weather.hunts(stage, trial.seed, trial.goal.seconds), trial.goal)
        load_ended = time.time() * 1000
    people.asked += stage.asked
    people.tasks |= stage.tasks
    minutes, strikes = (time.monotonic() - stage.begun) / 60, stage.strikes
    say("No more faults; waiting for the end of everything ...")
    drained = _drain(tormented, people)
    begun = time.monotonic()
    found = asyncio.run(collect(tormented, people, receiver.told, say))
    say("Judging ...")
    verdict = judge(found.history)
    told = weather.figures(stage, found)
    broken = Counter(violation.promise for violation in verdict.violations) + Counter(told.pop("violations", {}))
    cost = {"seconds": round(time.monotonic() - begun), "memory_mb": getrusage(RUSAGE_SELF).ru_maxrss // 1024}
    return Report(
        {
            "fault": trial.weather,
            "minutes": round(minutes, 1),
            "seed": trial.seed,
            "faults": figures.counted(strikes),
            "executions": {
                "submitted": len(people.tasks),
                **Counter(row.state for row in found.history.rows or ()),
            },
            "attempts_lost_with_a_worker": sum(1 for _ in figures.lost(found.history.steps or [])),
            "operations": dict(Counter(f"{asked.what} {asked.outcome}" for asked in people.asked)),
            "clients_held_back_s": people.waited,
            "notifications": len(receiver.told),
            "notifications_repeated": len(receiver.told) - len(set(receiver.told)),
            "drained_after_s": round(drained, 1),
            **(_standstills(tormented.settings, strikes, found, load_ended) if weather.timed else {}),
            **told,
            "judged": " ".join(verdict.judged),
            "judge": cost,
            "violations": dict(broken),
            "machine": machine(),
        },
        verdict,
    )


def _standstills(
    settings: Settings, strikes: list[Strike], found: Evidence, load_ended: float
) -> dict[str, dict[str, float]]:
    """Seconds, where there were any: after kills in whose way nothing else came, and after all."""
    seconds = {}
    for which, those in _kills(strikes, "scheduler", settings.session_timeout):
        seconds[f"takeover{which}_s"] = figures.takeovers(those, found)
    for which, those in _kills(strikes, "worker", settings.lease):
        losses = figures.losses(those, found)
        seconds[f"known_lost{which}_s"] = [loss.known for loss in losses]
        seconds[f"redispatch{which}_s"] = [loss.dispatched for loss in losses if loss.dispatched is not None]
    for what in ("restart", "join", "leave", "cut"):
        seconds[f"longest_gap_after_{what}_s"] = figures.gaps(strikes, found, what, load_ended)
    return {name: figures.spread(those) for name, those in seconds.items() if those}


def _kills(strikes: list[Strike], role: str, silence: float) -> Iterator[tuple[str, list[Strike]]]:
    """Those in whose way nothing else came for so long, and all; how figures of them are called."""
    yield "", figures.alone(strikes, role, silence)
    yield "_of_all_kills", figures.killed(strikes, role)


def _drain(tormented: System, people: People) -> float:
    """Seconds until every acknowledged execution has ended and is recorded, `DRAIN` at most."""
    begun = time.monotonic()
    submitted = {asked.execution for asked in people.asked if (asked.what, asked.outcome) == ("submit", "ok")}
    while (taken := time.monotonic() - begun) < DRAIN:
        with suppress(ApiUnavailableError, ApiError):
            still, rows = tormented.open()
            if not still and rows >= len(submitted):
                tormented.supervisor.pause(3)  # the last notifications, and what must not come any more
                return taken
        tormented.supervisor.pause(0.5)
    return taken
