"""A minute of `./dev chaos`: real processes under load are killed and paused in turn, and the judge sees it all."""

import sys

import pytest

from tests.chaos.run import Report, Trial, chaos
from tests.chaos.stage import Goal
from tests.history.judge import CHECKS

pytestmark = pytest.mark.timeout(600)

SECONDS, SEED = 50, 1
"""The first faults of this seed are of schedulers, a worker, the edge and the broker."""


@pytest.fixture(scope="module")
def report() -> Report:
    """What came of it."""
    return chaos(Trial(Goal(seconds=SECONDS), SEED), lambda line: print(line, file=sys.stderr))  # noqa: T201  (pytest shows it on failure)


def test_no_promise_is_broken(report: Report) -> None:
    """I1 to I11, each of them judged: by clients, witness, log, tables, ClickHouse's rows and notifications."""
    assert set(report.verdict.judged) == set(CHECKS)
    assert report.verdict.violations == [], str(report.verdict)


def test_the_fire_was_real(report: Report) -> None:
    """Tables changed hands, and attempts were lost with their worker, or these tests have shown nothing."""
    assert {fault.partition(" ")[2] for fault in report.figures["faults"]} >= {"scheduler", "worker"}
    assert report.figures["takeover_s"]["count"] > 0
    assert report.figures["attempts_lost_with_a_worker"] > 0
    assert report.figures["executions"]["succeeded"] > report.figures["executions"]["submitted"] / 2
