"""The figures of a run under fire, from made-up times; milliseconds in, seconds out."""

from streams.engine.commands import Beat
from tests.chaos import figures
from tests.chaos.evidence import Dispatched, Evidence, Times
from tests.chaos.stage import Goal, Strike
from tests.history.facts import History, Step


def strike(at: float, what: str = "kill", role: str = "scheduler", pid: int = 1, over: float = 0.0) -> Strike:
    """A fault, over at once unless said otherwise."""
    return Strike(at, what, role, f"{role}-{pid}", pid, over or at)


def found(*dispatched: float) -> Evidence:
    """Dispatches of one home, which process 1 owned."""
    word = {"pid": 1, "at": 0, "partitions": {"tasks": [0], "ready": []}}
    return Evidence(History(), Times([Dispatched(at, "e", 1, 0) for at in dispatched], [], [word]))


def test_a_takeover_is_the_gap_around_a_kill() -> None:
    """From the last dispatch before to the first after; what was still on its way counts as before."""
    assert figures.takeovers([strike(1_000)], found(900, 1_010, 2_510, 2_600)) == [1.5]


def test_a_kill_that_something_came_in_between_of_is_not_alone() -> None:
    """Another fault of a scheduler or the broker soon after, or a broker that was not there yet."""
    kill, away = strike(1_000), strike(500, role="kafka", over=900)
    assert figures.alone([kill, strike(2_000, "pause")], "scheduler", 1.5) == []
    assert figures.alone([kill, strike(2_000, role="kafka")], "scheduler", 1.5) == []
    assert figures.alone([away, kill], "scheduler", 1.5) == []
    assert figures.alone([kill, strike(2_000, role="edge")], "scheduler", 1.5) == [kill]


def test_the_longest_gap_after_a_fault_reaches_over_its_edges() -> None:
    """It may have begun before the fault, and end after the next one began."""
    times = found(0, 900, 1_600, 1_700, 2_900, 3_000)
    assert figures.gaps([strike(1_000, "join"), strike(2_000, "leave")], times, "join", 9_000) == [1.2]
    assert figures.gaps([strike(1_000, "join"), strike(1_650, "leave")], times, "join", 9_000) == [0.7]


def test_nothing_stands_still_when_the_load_is_over() -> None:
    """Up to then it does: a standstill that goes on at the end counts as far as it is seen."""
    times = found(900, 1_100, 1_500, 4_000)
    assert figures.gaps([strike(1_000, "join")], times, "join", 1_600) == [0.4]
    assert figures.gaps([strike(1_000, "join")], times, "join", 3_500) == [2.0]


def test_what_a_worker_took_along_is_known_and_dispatched_again() -> None:
    """By the steps of the log; an attempt that was lost before the kill is not that kill's."""
    steps = [
        Step("e", 1, "assigned", "dispatched", 1, 100, "w"),
        Step("e", 2, "retrying", "retrying", 1, 6_000, "w", losses=1),
    ]
    assert [(worker, step.at) for worker, step in figures.lost(steps)] == [("w", 6_000)]


def test_a_number_of_a_process_that_comes_again_is_another_process() -> None:
    """What a kill took along is what its own process had, and no later one of the same number."""
    steps = [
        Step(name, version, what, what, 1, at, worker, losses=version - 1)
        for name, worker, lost in (("e", "first", 105_000), ("f", "second", 905_000))
        for version, what, at in ((1, "running", 90_000), (2, "retrying", lost))
    ]
    said = [[Beat(worker, "p", 4, 4, 0, 0, pid=7, at=at)] for worker, at in (("first", 99_500), ("second", 899_500))]
    again = [Dispatched(106_000, "e", 2, 0), Dispatched(906_000, "f", 2, 0)]
    run = Evidence(History(steps=steps, ready=said), Times(again, [], []))
    kills = [strike(100_000, role="worker", pid=7), strike(900_000, role="worker", pid=7)]
    assert figures.losses(kills, run) == [figures.Loss("e", 5.0, 6.0), figures.Loss("f", 5.0, 6.0)]


def test_a_goal_is_reached_by_time_or_by_kills_of_each_role() -> None:
    """Pauses do not count, and neither do roles to which nothing is done."""
    roles, strikes = ("scheduler", "worker"), [strike(1), strike(2), strike(3, role="worker")]
    goal = Goal(kills=2)
    assert not goal.reached(10_000, roles, [*strikes, strike(4, "pause", role="worker")])
    assert goal.reached(0, roles, [*strikes, strike(4, role="worker")])
    assert Goal(seconds=5).reached(5, roles, [])
