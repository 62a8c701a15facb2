"""`./dev chaos` for most of a minute, twice with kills and once with a rolling restart, and the judge sees it."""

import sys

import pytest

from tests.chaos.run import Report, Trial, chaos
from tests.chaos.stage import OURS, ROLES, Goal
from tests.history.judge import CHECKS

pytestmark = pytest.mark.timeout(600)

SECONDS, SEED = 40, 1
"""In the last third of a minute schedulers and the broker are left alone."""

PROCESSES = 2 * len(OURS)
"""Of each role there are two."""


def say(line: str) -> None:
    """Tell what happens."""
    print(line, file=sys.stderr)  # noqa: T201  (pytest shows it on failure)


@pytest.fixture(scope="module", params=[1, 2])
def report(request: pytest.FixtureRequest) -> Report:
    """What came of it, with so many partitions of tasks: one lends what workers accept, two depend on each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_TASK_PARTITIONS", str(request.param))
        return chaos(Trial(Goal(seconds=SECONDS), SEED), say)


def test_no_promise_is_broken(report: Report) -> None:
    """I1 to I11, each of them judged: by clients, witness, log, tables, ClickHouse's rows and notifications."""
    assert set(report.verdict.judged) == set(CHECKS)
    assert report.verdict.violations == [], str(report.verdict)


def test_the_fire_was_real(report: Report) -> None:
    """All were killed, tables changed hands, and attempts were lost with their worker, or nothing has been shown."""
    assert report.figures["faults"].keys() >= {f"kill {role}" for role in ROLES}
    assert "takeover_of_all_kills_s" in report.figures
    assert report.figures["attempts_lost_with_a_worker"] > 0
    assert report.figures["executions"]["succeeded"] > report.figures["executions"]["submitted"] / 2


def test_a_rolling_restart_is_noticed_by_no_caller() -> None:
    """Every process of two edges, schedulers and workers ends in order and starts again, and callers go on calling."""
    report = chaos(Trial(Goal(faults=PROCESSES), SEED, "restarts"), say)
    assert report.figures["faults"] == {f"restart {role}": 2 for role in OURS}
    assert report.figures["calls"]["made"] > 100
    assert report.figures["calls_failed"] == {}
    assert set(report.verdict.judged) == set(CHECKS)
    assert report.figures["violations"] == {}, str(report.verdict)
    assert report.figures["attempts_lost_with_a_worker"] == 0
