"""What others hear of what happened."""

import pytest
from simulated.house import House

from pipelines.ids import execution_id, home_of_task
from streams.engine import commands as c
from streams.engine.follow import Outbox, undelivered
from streams.engine.records import Job, Rule, State, TaskDef

EVERYTHING = Rule(("completed", "failed", "retried", "lost", "late"), ("json://x",))
LOCAL = next(f"d{n}" for n in range(99) if home_of_task(f"d{n}", 2) == 0)
REMOTE = next(f"u{n}" for n in range(99) if home_of_task(f"u{n}", 2) == 1)


def execute(task: str = "t", **fields: object) -> c.Execute:
    """A create-and-execute."""
    return c.Execute(execution_id(task, "r"), task, "r", 1, task_def=TaskDef(task, "python", b"{}", **fields))


def told(out: Outbox) -> list[str]:
    """The happenings that people are told of."""
    return [n.happening for n in out.notifications]


def test_who_may_run_stands_in_line() -> None:
    """The dispatcher hears the place and the attempt that it must name; with one partition the line is here."""
    assert House().hear(execute()).ready == {}
    house = House(0, 2)
    out = house.hear(execute(pool="gpu", priority=7))
    record = house.record(execution_id("t", "r"))
    assert out.ready == {"gpu": [c.Ready("gpu", record.id, 1, 7, record.deadline, record.ready_at, record.arrival)]}
    assert [e.what for e in out.events] == ["created"]


def test_an_assignment_brings_the_job_to_the_lane() -> None:
    """The worker gets all that it needs, upstream values too."""
    house = House()
    house.complete(house.submit("u"), result=b"7")
    which = house.submit(payload=b"1", upstream=(("u", ""),), timeout=9)
    out = house.hear(c.Assign(which, 1, "w", 3, 5))
    (run,) = out.lanes[3]
    record = house.record(which)
    assert run == c.Run(
        Job(which, 1, 5, "w", "t", "r", "python", 5, record.deadline, 9, b"{}", b"1", {"u": b"7"}, "default", 1_000)
    )


def test_i2_an_at_most_once_job_leaves_after_the_changelog() -> None:
    """Its start must be on record before anybody can make it; a takeover sends it again."""
    house = House()
    which = house.submit(at_most_once=True)
    other = house.submit("other")
    out = house.hear(c.Assign(which, 1, "w", 3, 1))
    house.assign(other)
    assert out.lanes == {}
    again = undelivered(house.table, house.partition, [house.record(w) for w in (which, other)])
    assert again.late_lanes == out.late_lanes
    assert [run.job.execution for run in again.late_lanes[3]] == [which]


@pytest.mark.parametrize("at_most_once", [False, True])
def test_a_stop_never_overtakes_its_job(at_most_once: bool) -> None:  # noqa: FBT001  (a parameter)
    """A cancel is sent behind the job where that leaves late, and early too, so as not to be lost."""
    house = House()
    which = house.submit(at_most_once=at_most_once)
    out = house.hear(c.Assign(which, 1, "w", 3, 1))
    later = house.hear(c.Cancel(which, 1))
    stop = c.Stop("w", which, 1)
    assert later.lanes == {3: [stop, c.Void("w", 1)] if at_most_once else [stop]}
    assert later.late_lanes == ({3: [stop]} if at_most_once else {})
    assert (out.late_lanes if at_most_once else out.lanes)[3][0].job.execution == which


def test_who_ends_while_waiting_leaves_the_line() -> None:
    """The dispatcher hears the very place that it was told before; with one partition the line is here."""
    house, alone = House(0, 2), House()
    ready = house.hear(execute()).ready["default"][0]
    alone.hear(execute())
    assert alone.hear(c.Cancel(ready.id, 1)).ready == {}
    assert alone.table.first("default") is None
    out = house.hear(c.Cancel(ready.id, 1))
    assert out.ready == {"default": [c.Withdraw("default", ready.id, 5, ready.deadline, ready.ready_at, ready.arrival)]}


def test_a_proposal_that_comes_to_nothing_gives_the_credit_back() -> None:
    """The lane's count goes on, and no dead letter is written."""
    out = House().hear(c.Assign(b"i" * 16, 1, "w", 3, 8))
    assert (out.lanes, out.letters, out.stale) == ({3: [c.Void("w", 8)]}, [], 1)


def test_what_somebody_did_wrong_becomes_a_letter() -> None:
    """The command goes with its rejection."""
    command = c.Cancel(b"i" * 16, 1)
    ((rejection, refused),) = House().hear(command).letters
    assert (rejection.execution, refused) == (command.id, command)


def test_i8_rules_hear_what_they_listen_for() -> None:
    """Each happening reaches the rules that named it, and no others."""
    house = House()
    which = house.submit(notify=(EVERYTHING, Rule(("lost",), ("json://y",))), max_latency=5, at_most_once=True)
    house.now += 10
    assert told(house.hear(c.Wake(which, house.now))) == ["late"]
    house.assign(which)
    out = house.hear(c.WorkerLost("w", house.now))
    assert [(n.happening, n.rule.to[0]) for n in out.notifications] == [("lost", "json://x"), ("lost", "json://y")]


def test_i8_what_is_created_as_failed_is_told_too() -> None:
    """Its upstream had failed before it came: it ends with its creation, and people hear of it."""
    house = House()
    house.complete(house.submit("u"), "failed")
    out = house.hear(execute(upstream=(("u", ""),), notify=(EVERYTHING,)))
    assert house.state(execution_id("t", "r")) == State.UPSTREAM_FAILED
    assert told(out) == ["failed"]


def test_other_partitions_are_asked_and_answered() -> None:
    """Who waits for an execution elsewhere asks its home; who ends tells those who asked, with its value."""
    here, there = House(0, 2), House(1, 2)
    up, down = execution_id(REMOTE, "r"), execution_id(LOCAL, "r")
    watch = c.Watch(up, down)
    assert here.hear(execute(LOCAL, upstream=((REMOTE, ""),))).homes == {1: [watch]}
    assert there.hear(watch).homes == {}
    there.submit(REMOTE)
    there.assign(up)
    news = c.UpstreamFinished(down, up, "succeeded", b"7")
    assert there.hear(c.Finished(up, 1, "w", "succeeded", 1, 1, b"7")).homes == {0: [news]}
    assert there.hear(watch).homes == {0: [news]}


def test_steps_that_people_do_not_look_at_stay_inside() -> None:
    """The news of an upstream that changes nothing else is no event."""
    house = House()
    house.hear(execute("d", upstream=(("a", ""), ("b", ""))))
    a = house.submit("a")
    house.assign(a)
    out = house.hear(c.Finished(a, 1, "w", "succeeded", 1, 1))
    assert [e.execution.task for e in out.events] == ["a"]
