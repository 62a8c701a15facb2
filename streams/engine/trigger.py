"""Trigger rules: may a task run, given how its upstream tasks have ended so far?"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from pipelines.model import Trigger
from streams.engine.records import State


class Verdict(Enum):
    """What a rule says now; only WAIT can change later."""

    RUN = auto()
    WAIT = auto()
    SKIP = auto()  # it can never hold, and nothing failed that it needed
    UPSTREAM_FAILED = auto()  # it can never hold because something failed


class Tally(NamedTuple):
    """Upstream executions by how they ended."""

    succeeded: int
    failed: int
    skipped: int
    pending: int


_SUCCESS = {State.SUCCEEDED}
_SKIP = {State.SKIPPED}


def tally(outcomes: list[str]) -> Tally:
    """Count outcomes; an empty one has not ended. Lost, cancelled and upstream_failed count as failed."""
    pending = outcomes.count("")
    succeeded = sum(o in _SUCCESS for o in outcomes)
    skipped = sum(o in _SKIP for o in outcomes)
    return Tally(succeeded, len(outcomes) - pending - succeeded - skipped, skipped, pending)


def _all_success(t: Tally) -> Verdict:
    if t.failed:
        return Verdict.UPSTREAM_FAILED
    if t.skipped:
        return Verdict.SKIP
    return Verdict.WAIT if t.pending else Verdict.RUN


def _all_done(t: Tally) -> Verdict:
    return Verdict.WAIT if t.pending else Verdict.RUN


def _one_success(t: Tally) -> Verdict:
    if t.succeeded:
        return Verdict.RUN
    if t.pending:
        return Verdict.WAIT
    return Verdict.UPSTREAM_FAILED if t.failed else Verdict.SKIP


def _one_failed(t: Tally) -> Verdict:
    if t.failed:
        return Verdict.RUN
    return Verdict.WAIT if t.pending else Verdict.SKIP


def _none_failed(t: Tally) -> Verdict:
    if t.failed:
        return Verdict.UPSTREAM_FAILED
    return Verdict.WAIT if t.pending else Verdict.RUN


def _all_failed(t: Tally) -> Verdict:
    if t.succeeded or t.skipped:
        return Verdict.SKIP
    return Verdict.WAIT if t.pending else Verdict.RUN


def _none_skipped(t: Tally) -> Verdict:
    if t.skipped:
        return Verdict.SKIP
    return Verdict.WAIT if t.pending else Verdict.RUN


RULES: dict[str, Callable[[Tally], Verdict]] = {
    Trigger.ALL_SUCCESS: _all_success,
    Trigger.ALL_DONE: _all_done,
    Trigger.ONE_SUCCESS: _one_success,
    Trigger.ONE_FAILED: _one_failed,
    Trigger.NONE_FAILED: _none_failed,
    Trigger.ALL_FAILED: _all_failed,
    Trigger.NONE_SKIPPED: _none_skipped,
    Trigger.ALWAYS: lambda _: Verdict.RUN,
}


def judge(rule: str, outcomes: list[str]) -> Verdict:
    """What `rule` says of these outcomes. A task without upstream tasks may run."""
    return RULES[rule](tally(outcomes)) if outcomes else Verdict.RUN
