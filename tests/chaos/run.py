"""One run: load and faults side by side, then all heals and has to end, and then it is judged."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from streams.bench.measure import machine
from tests.chaos import figures
from tests.chaos.evidence import collect
from tests.chaos.faults import rage
from tests.chaos.people import RUN, People
from tests.chaos.receiver import Receiver
from tests.chaos.system import System, system
from tests.history.facts import TERMINAL, Violation
from tests.history.judge import Verdict, judge
from tests.simulated.virtual.life import quietly
from ui.client import ApiError, ApiUnavailableError

DRAIN = 120.0
"""Seconds from the last fault by which all must have ended (I10)."""

OPEN = f"""
SELECT count() - countIf(state IN {tuple(sorted(TERMINAL))}), count() FROM executions WHERE run = {{run:String}}
"""  # noqa: S608  (ours)


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


def chaos(minutes: float, seed: int, say: Callable[[str], None]) -> Report:
    """Torment a system of its own. Raises SetupError where it does not come up, or not again after a fault."""
    with quietly(), Receiver() as receiver, system(say) as tormented:
        report = _once(tormented, receiver, minutes, seed, say)
        tormented.keep = bool(report.verdict.violations)
        return report


def _once(tormented: System, receiver: Receiver, minutes: float, seed: int, say: Callable[[str], None]) -> Report:
    people = People(tormented, receiver.address, Random(seed))
    with people.busy():
        strikes = rage(tormented, seed, minutes * 60, say)
    say("No more faults; waiting for the end of everything ...")
    drained = _drain(tormented, people)
    say("Reading and judging ...")
    found = asyncio.run(collect(tormented, people, receiver.told))
    verdict, settings = judge(found.history), tormented.settings
    return Report(
        {
            "minutes": minutes,
            "seed": seed,
            "faults": figures.counted(strikes),
            "executions": {
                "submitted": len(people.tasks),
                **Counter(row.state for row in found.history.rows or ()),
            },
            "attempts_lost_with_a_worker": sum(1 for _ in figures.lost(found.history.steps or [])),
            "operations": dict(Counter(f"{asked.what} {asked.outcome}" for asked in people.asked)),
            "notifications": len(receiver.told),
            "drained_after_s": round(drained, 1),
            "takeover_s": figures.spread(figures.takeovers(strikes, found, settings)),
            "redispatch_s": figures.spread(figures.redispatches(strikes, found, settings)),
            "judged": " ".join(verdict.judged),
            "violations": dict(Counter(violation.promise for violation in verdict.violations)),
            "machine": machine(),
        },
        verdict,
    )


def _drain(tormented: System, people: People) -> float:
    """Seconds until every acknowledged execution has ended and is recorded, `DRAIN` at most."""
    begun = time.monotonic()
    submitted = {asked.execution for asked in people.asked if (asked.what, asked.outcome) == ("submit", "ok")}
    while (taken := time.monotonic() - begun) < DRAIN:
        with suppress(ApiUnavailableError, ApiError):
            still, rows = (int(str(n)) for n in tormented.client.sql(OPEN, {"run": RUN}).rows[0])
            if not still and rows >= len(submitted):
                tormented.supervisor.pause(3)  # the last notifications, and what must not come any more
                return taken
        tormented.supervisor.pause(0.5)
    return taken
