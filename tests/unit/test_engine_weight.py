"""Steps that stay within one commit."""

import msgspec
import pytest
from simulated.house import House

from pipelines.ids import execution_id
from streams.engine import commands as c
from streams.engine import step as steps
from streams.engine.records import Execution, Rule, State, TaskDef
from streams.engine.weight import weigh, weigh_new

LONG = "x" * 64


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"upstream": tuple((bytes(16), "t" * 200, "upstream_failed") for _ in range(1000))},
        {"notify": (Rule(("late",), ("mailto://" + "a" * 100,) * 20, "t" * 500, "ä" * 8000),) * 20},
        {"error": "e" * 10_000, "reason": "r" * 1_000},
    ],
)
def test_a_weight_is_no_less_than_the_record(fields: dict[str, object]) -> None:
    """What decides when a commit is large enough must not be too small, even for the longest names."""
    times = dict.fromkeys(
        ("created_at", "due_at", "ready_at", "dispatched_at", "started_at", "finished_at", "wake_at", "deadline"),
        1 << 40,
    )
    names = {"pool": LONG, "queue": LONG, "owner": LONG, "worker": LONG, "retry_of": bytes(16), "retried_as": bytes(16)}
    record = Execution(bytes(16), "t" * 200, "r" * 200, "python", State.UPSTREAM_FAILED, **times, **names, **fields)
    assert weigh(record) >= len(msgspec.msgpack.encode(record)) + 17 + 32


def test_a_new_execution_weighs_what_it_carries() -> None:
    """Call and payload, the task's own or the one that was named, and every edge."""
    task = TaskDef("t", "python", b"c" * 10, b"p" * 100)
    assert weigh_new(task, b"") - weigh_new(task, b"p") == 99
    assert weigh_new(TaskDef("t", "python", upstream=(("u", ""),)), b"") > weigh_new(TaskDef("t", "python"), b"")


def test_i10_a_worker_with_too_much_is_lost_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest follows by a command to oneself, until nothing of the worker is left; a repetition changes nothing."""
    monkeypatch.setattr(steps, "STEP_LIMIT", 2_000)
    house = House()
    for n in range(10):
        house.assign(house.submit(f"t{n}"))
    lost, rounds = c.WorkerLost("w", 1), 0
    while (out := house.hear(lost)).homes:
        assert out.homes == {0: [lost]}
        rounds += 1
    assert rounds == 2
    assert {house.state(execution_id(f"t{n}", "r")) for n in range(10)} == {State.RETRYING}
    assert house.table.banned("w")
    assert house.hear(lost).events == []


def test_i10_those_who_wait_for_one_are_told_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not told at once is told by a command, and finds the value where it was kept."""
    monkeypatch.setattr(steps, "STEP_LIMIT", 2_000)
    house = House()
    waiting = [house.submit(f"d{n}", upstream=(("u", ""),)) for n in range(10)]
    up = house.submit("u")
    house.assign(up)
    out = house.hear(c.Finished(up, 1, "w", "succeeded", 1, 1, b"7"))
    told = [which for which in waiting if house.state(which) == State.WAITING]
    assert 0 < len(told) < len(waiting)
    assert out.homes == {0: [c.Tell(up, max(told))]}
    while out.homes:
        out = house.hear(*out.homes[0])
    assert {house.state(which) for which in waiting} == {State.WAITING}
    (run,) = house.hear(c.Assign(waiting[-1], 1, "w", 0, 2)).lanes[0]
    assert run.job.inputs == {"u": b"7"}
