"""The judge: which promises a history lets one check, and which of them it breaks."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.history import promises as p
from tests.history.facts import History, Violation

Check = Callable[[History], Iterator[Violation]]

CHECKS: dict[str, tuple[Check, tuple[str, ...]]] = {
    "I1": (p.acknowledged_ends, ("rows",)),
    "I2": (p.starts_at_most_once, ("witnessed", "steps")),
    "I3": (p.runs_until_it_succeeds, ("witnessed", "steps")),
    "I4": (p.starts_after_its_upstream, ("witnessed", "steps")),
    "I5": (p.the_critical_first, ("ready", "assigned", "steps")),
    "I6": (p.tables_replay, ("copies",)),
    "I7": (p.one_terminal_row, ("rows", "steps")),
    "I8": (p.notifications_arrive, ("steps", "deliveries", "letters")),
    "I9": (p.the_end_is_the_end, ("steps",)),
    "I10": (p.all_drains, ("steps",)),
    "I11": (p.poison_is_buried, ("letters",)),
}
"""Each promise: who judges it, and the parts of a history that this needs."""


class Verdict(NamedTuple):
    """What was judged, and what was found."""

    judged: tuple[str, ...]
    violations: list[Violation]

    def __str__(self) -> str:
        return "\n".join(f"{v.promise} {v.execution}: {v.evidence}" for v in self.violations)


def judge(history: History) -> Verdict:
    """Judge every promise for which there is evidence."""
    judged = tuple(n for n, (_, needs) in CHECKS.items() if all(getattr(history, part) is not None for part in needs))
    return Verdict(judged, [violation for name in judged for violation in CHECKS[name][0](history)])
