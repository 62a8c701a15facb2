"""Every trigger rule against every combination of outcomes."""

from itertools import combinations_with_replacement

import pytest

from pipelines.model import Trigger
from streams.engine.records import TERMINAL, State
from streams.engine.trigger import RULES, Tally, Verdict, judge, tally
from tests.history.rules import FAILED, may_run

S, F, K, P = State.SUCCEEDED, State.FAILED, State.SKIPPED, ""
RUN, WAIT, SKIP, FAIL = Verdict.RUN, Verdict.WAIT, Verdict.SKIP, Verdict.UPSTREAM_FAILED
OUTCOMES = [(S,), (F,), (K,), (P,), (S, F), (S, K), (S, P), (F, K), (F, P), (K, P)]
TABLE = {
    # succeeded, failed, skipped, pending, and then two of them
    "all_success": (RUN, FAIL, SKIP, WAIT, FAIL, SKIP, WAIT, FAIL, FAIL, SKIP),
    "all_done": (RUN, RUN, RUN, WAIT, RUN, RUN, WAIT, RUN, WAIT, WAIT),
    "one_success": (RUN, FAIL, SKIP, WAIT, RUN, RUN, RUN, FAIL, WAIT, WAIT),
    "one_failed": (SKIP, RUN, SKIP, WAIT, RUN, SKIP, WAIT, RUN, RUN, WAIT),
    "none_failed": (RUN, FAIL, RUN, WAIT, FAIL, RUN, WAIT, FAIL, FAIL, WAIT),
    "all_failed": (SKIP, RUN, SKIP, WAIT, SKIP, SKIP, SKIP, SKIP, WAIT, SKIP),
    "none_skipped": (RUN, RUN, SKIP, WAIT, RUN, SKIP, WAIT, SKIP, WAIT, SKIP),
    "always": (RUN,) * 10,
}  # fmt: skip


@pytest.mark.parametrize("rule", TABLE)
def test_a_rule_says_what_the_table_says(rule: str) -> None:
    """The written-out table is the promise; the code only has to agree."""
    assert tuple(judge(rule, list(outcomes)) for outcomes in OUTCOMES) == TABLE[rule]


def test_every_rule_that_people_can_write_is_known() -> None:
    """The engine knows exactly the rules of the model, and the table has them all."""
    assert {str(t) for t in Trigger} == {str(r) for r in RULES} == set(TABLE)


@pytest.mark.parametrize("rule", TABLE)
def test_without_upstream_tasks_a_task_may_run(rule: str) -> None:
    """No rule holds back a task that waits for nobody."""
    assert judge(rule, []) == RUN


@pytest.mark.parametrize("rule", TABLE)
def test_only_waiting_can_change(rule: str) -> None:
    """I4: whether it runs is settled once a verdict is not WAIT, however the others end."""
    for before in combinations_with_replacement([*sorted(TERMINAL), ""], 3):
        verdict = judge(rule, list(before))
        for outcome in TERMINAL:
            after = [outcome if o == "" else o for o in before]
            assert judge(rule, after) != WAIT
            assert verdict == WAIT or (verdict == RUN) == (judge(rule, after) == RUN)


@pytest.mark.parametrize("rule", TABLE)
def test_a_rule_means_what_its_name_says(rule: str) -> None:
    """I4: RUN, and nothing else, is said where the rule in other words holds."""
    for outcomes in combinations_with_replacement([*sorted(TERMINAL), ""], 3):
        assert (judge(rule, list(outcomes)) == RUN) == may_run(rule, list(outcomes))


def test_lost_cancelled_and_upstream_failed_count_as_failed() -> None:
    """For those who wait it is the same: there will be no success."""
    assert tally([*FAILED, S, K, P]) == Tally(succeeded=1, failed=4, skipped=1, pending=1)
