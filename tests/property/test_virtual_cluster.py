"""The whole cluster in virtual time, under seeded faults: it keeps its promises, and bugs on purpose are found."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulated.virtual.life import live, quietly
from tests.simulated.virtual.planted import BUGS

SEEDS = int(os.environ.get("HEADRACE_TEST_SEEDS", "40"))
"""How many lives without a planted bug."""

TRACES = """
from tests.simulated.virtual.life import live, quietly
with quietly():
    print(*(live(seed).trace for seed in range(12)))
"""
"""Prints what twelve lives leave in the logs."""

WITHIN = 1_500
"""Lives in which a planted bug must be found."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


def test_i1_to_i11_hold_under_seeded_faults() -> None:
    """Crashes, zombies, lost words, rebalances: whatever the seed brings, everything ends and nothing is broken."""
    for seed in range(SEEDS):
        life = live(seed)
        assert not life.verdict.violations, str(life)
        assert len(life.verdict.judged) == 11, "every promise was judged"


def test_the_same_seed_is_the_same_life() -> None:
    """Message by message: a failure can be replayed."""
    first, second, other = live(7), live(7), live(8)
    assert first.trace == second.trace
    assert (first.steps, first.seconds) == (second.steps, second.seconds)
    assert first.trace != other.trace


def test_a_life_does_not_depend_on_the_order_of_sets() -> None:
    """Python has another one in each process."""
    assert len({_traces_of_a_process(number) for number in (0, 3)}) == 1


def _traces_of_a_process(hash_seed: int) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", TRACES],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_found(name: str) -> None:
    """Within a bounded number of seeds some promise that it must break is broken, and without it that life is good."""
    bug = BUGS[name]
    with bug.plant():
        found = next((seed for seed in range(WITHIN) if bug.breaks & _broken(seed)), None)
    assert found is not None, f"{name} was not found in {WITHIN} lives"
    assert not live(found).verdict.violations, "without the bug the same life keeps its promises"


def _broken(seed: int) -> set[str]:
    return {violation.promise for violation in live(seed).verdict.violations}
