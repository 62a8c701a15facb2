"""Most of a minute of `./dev chaos`, twice: all roles are killed under load, and the judge sees it."""

import sys

import pytest

from tests.chaos.run import Report, Trial, chaos
from tests.chaos.stage import ROLES, Goal
from tests.history.judge import CHECKS

pytestmark = pytest.mark.timeout(600)

SECONDS, SEED = 40, 1
"""In the last third of a minute schedulers and the broker are left alone."""


@pytest.fixture(scope="module", params=[1, 2])
def report(request: pytest.FixtureRequest) -> Report:
    """What came of it, with so many partitions of tasks: one lends what workers accept, two depend on each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_TASK_PARTITIONS", str(request.param))
        return chaos(Trial(Goal(seconds=SECONDS), SEED), lambda line: print(line, file=sys.stderr))  # noqa: T201  (pytest shows it on failure)


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
