"""The line of a lone partition, what its workers' room is lent for, and what becomes of the rest."""

from itertools import count
from random import Random

import pytest
from msgspec.structs import replace
from simulated.house import House, moves

from pipelines.ids import execution_id
from streams.engine import commands as c
from streams.engine.attempt import INPUT_LIMIT
from streams.engine.follow import Outbox, give_away
from streams.engine.records import Job, State, TaskDef
from streams.stages import lines
from streams.stages.task_table import TaskTable


def lent(house: House, first: int = 1, last: int = 2, worker: str = "w", lane: int = 3) -> Outbox:
    """DISPATCH lends some of a worker's assignments."""
    return house.hear(c.Lend(worker, "default", lane, first, last))


def execute(task: str = "t", **fields: object) -> c.Execute:
    """A task and its execution in one."""
    return c.Execute(execution_id(task, "r"), task, "r", 1, task_def=TaskDef(task, "python", b"{}", **fields))


def jobs(out: Outbox) -> list[Job]:
    """What workers get at once."""
    return [message.job for lane in out.lanes.values() for message in lane if isinstance(message, c.Run)]


@pytest.fixture(params=[False, True], ids=["as it goes", "restarted"])
def house(request: pytest.FixtureRequest) -> House:
    """One partition; the second time it forgets what is not in its table before each command."""
    made = House()
    if request.param:
        hear = made.hear

        def restarted(*commands: c.TaskCommand) -> Outbox:
            made.restart()
            return hear(*commands)

        made.hear = restarted  # type: ignore[method-assign]  # the same, and a restart before
    return made


def test_who_may_run_goes_to_the_worker_at_once(house: House) -> None:
    """History shows its two steps as ever."""
    lent(house)
    out = house.hear(execute())
    assert [(job.worker, job.seq, job.attempt) for job in jobs(out)] == [("w", 1, 1)]
    assert out.lanes.keys() == {3}
    assert out.ready == {}
    assert [event.what for event in out.events] == ["created", "assigned"]
    assert house.state(execution_id("t", "r")) == State.DISPATCHED


def line(house: House, pool: str = "default") -> list[str]:
    """The tasks that wait in a pool, as they will be given away."""
    house.restart()
    found = []
    while which := house.table.first(pool):
        first = house.record(which)
        found.append(first.task)
        house.table.put_execution(first, replace(first, state=State.DISPATCHED))
    house.table = TaskTable(house.store)
    return found


def test_who_finds_nothing_lent_waits_for_the_next_loan(house: House) -> None:
    """In the pool's order."""
    lent(house, 1, 1)
    house.hear(execute("a"))
    assert jobs(house.hear(execute("b"), execute("c", priority=9))) == []
    assert line(house) == ["c", "b"]
    assert [(job.task, job.seq) for job in jobs(lent(house, 2, 2))] == [("c", 2)]
    assert [(job.task, job.seq) for job in jobs(lent(house, 3, 9))] == [("b", 3)]
    assert line(house) == []


def test_i5_a_long_line_is_given_away_in_its_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of it is in memory, and whoever comes or leaves meanwhile."""
    monkeypatch.setattr(lines, "HEAD", 3)
    monkeypatch.setattr(lines, "HEAD_LIMIT", 8)
    chance, expected, given = Random(7), {}, 0
    for number in range(150):
        task, priority = f"t{number}", chance.randrange(10)
        house.hear(execute(task, priority=priority))
        expected[task] = (-priority, number)
        if chance.random() < 0.3:
            gone = chance.choice(list(expected))
            house.hear(c.Cancel(execution_id(gone, "r"), 1))
            del expected[gone]
        if chance.random() < 0.2 and (count := min(len(expected), chance.randrange(1, 9))):
            got = [job.task for job in jobs(lent(house, given + 1, given + count))]
            given += count
            assert got == sorted(expected, key=expected.__getitem__)[:count]
            expected = {task: place for task, place in expected.items() if task not in got}
        house.now += 1
    assert line(house) == sorted(expected, key=expected.__getitem__)


def test_i5_what_nobody_may_have_is_left_for_who_is_first(house: House) -> None:
    """Another pool's line has no part in it."""
    house.hear(execute("other", pool="gpu", priority=9), execute("low", priority=1))
    assert [job.task for job in jobs(lent(house, 1, 3))] == ["low"]
    assert line(house, "gpu") == ["other"]


def test_of_one_message_the_most_critical_come_first(house: House) -> None:
    """Wherever they stand in it, and whatever lets them run."""
    lent(house, 1, 2)
    out = house.hear(*(execute(f"t{priority}", priority=priority) for priority in (1, 2, 9)))
    assert [(job.task, job.seq) for job in jobs(out)] == [("t9", 1), ("t2", 2)]
    assert line(house) == ["t1"]


def test_who_is_stopped_in_the_message_that_let_it_run_takes_nothing(house: House) -> None:
    """It has left before anything is given away."""
    lent(house, 1, 1)
    out = house.hear(execute("a", priority=9), c.Cancel(execution_id("a", "r"), 1), execute("b"))
    assert [job.task for job in jobs(out)] == ["b"]


def test_a_due_timer_and_a_retry_take_of_it_as_well(house: House) -> None:
    """Whatever lets an execution run."""
    lent(house, 1, 3)
    which = execution_id("t", "r")
    later = execute()
    house.hear(c.Execute(which, "t", "r", 1, due_at=house.now + 5, task_def=later.task_def))
    house.now += 5
    assert [job.seq for job in jobs(house.hear(c.Wake(which, house.now)))] == [1]
    house.hear(c.Finished(which, 1, "w", "succeeded", house.now, house.now))
    assert [job.seq for job in jobs(house.hear(c.Retry(which, house.now)))] == [2]


def test_i5_of_those_who_may_run_together_the_most_critical_comes_first(house: House) -> None:
    """They were let go by one end; who gets nothing waits."""
    lent(house, 1, 2)
    house.hear(execute("up"))
    for task, priority in (("low", 1), ("high", 9)):
        house.hear(execute(task, upstream=(("up", ""),), priority=priority))
    up = house.record(execution_id("up", "r"))
    out = house.hear(c.Finished(up.id, 1, "w", "succeeded", 1_000, 1_000))
    assert [job.task for job in jobs(out)] == ["high"]
    assert line(house) == ["low"]


def test_the_worker_of_whom_most_is_lent_is_next(house: House) -> None:
    """Work is spread, and another pool's loan is not touched."""
    lent(house, 1, 2, "a", 0)
    lent(house, 1, 3, "b", 1)
    house.hear(c.Lend("x", "gpu", 2, 1, 9))
    given = [jobs(house.hear(execute(f"t{number}")))[0].worker for number in range(5)]
    assert given == ["b", "a", "b", "a", "b"]
    assert jobs(house.hear(execute("more"))) == []


def test_a_loan_is_made_longer_and_a_repeated_one_is_none(house: House) -> None:
    """Also where all of it was given away."""
    lent(house, 1, 1)
    lent(house, 2, 3)
    assert [jobs(house.hear(execute(f"t{number}")))[0].seq for number in range(3)] == [1, 2, 3]
    again = lent(house, 2, 3)
    assert (again.lanes, again.stale) == ({}, 1)
    assert jobs(house.hear(execute("more"))) == []


def test_a_loan_has_gaps_where_the_dispatcher_gave_something_away(house: House) -> None:
    """Each of its numbers is given to one, or voided."""
    lent(house, 1, 2)
    lent(house, 4, 5)
    lent(house, 6, 8)
    assert [jobs(house.hear(execute(f"t{number}")))[0].seq for number in range(4)] == [1, 2, 4, 5]
    lent(house, 10, 10)
    assert house.hear(c.Recall("w")).lanes == {3: [c.Void("w", 6, 8), c.Void("w", 10, 10)]}


def test_what_is_called_back_is_voided_once(house: House) -> None:
    """The worker counts it as received."""
    lent(house, 1, 5)
    house.hear(execute())
    assert house.hear(c.Recall("w")).lanes == {3: [c.Void("w", 2, 5)]}
    assert house.hear(c.Recall("w")).lanes == {}
    assert jobs(house.hear(execute("more"))) == []


def test_a_worker_that_hands_something_back_gets_nothing_more(house: House) -> None:
    """It has more than it wants: what it returns goes to another one, and the rest of its loan is void."""
    lent(house, 1, 5)
    lent(house, 1, 2, "other", 4)
    job = jobs(house.hear(execute()))[0]
    out = house.hear(c.Finished(job.execution, 1, "w", "returned", 0, 1_000))
    assert out.lanes[3] == [c.Void("w", 2, 5)]
    assert [(again.worker, again.attempt) for again in jobs(out)] == [("other", 2)]


def test_a_lost_worker_lends_nothing(house: House) -> None:
    """Neither what is left of its loan nor one that comes late."""
    lent(house, 1, 5)
    house.hear(c.WorkerLost("w", 1_000))
    assert jobs(house.hear(execute("a"))) == []
    house.hear(c.Cancel(execution_id("a", "r"), 1))
    assert lent(house, 6, 9).stale == 1
    assert jobs(house.hear(execute("b"))) == []


def test_i2_an_at_most_once_job_leaves_after_the_changelog(house: House) -> None:
    """As one from the line does."""
    lent(house)
    out = house.hear(execute(at_most_once=True))
    assert out.lanes == {}
    assert [message.job.seq for message in out.late_lanes[3]] == [1]


def test_what_nobody_can_have_takes_nothing_of_it() -> None:
    """Its upstream values are too large: it fails, and who waited for that end gets the assignment."""
    house, size = House(), 1 << 20
    tasks = [f"up{number}" for number in range(INPUT_LIMIT // size + 1)]
    for task in tasks:
        house.complete(house.submit(task), result=b"7" * size)
    house.submit("after", upstream=(("t", ""),), trigger="all_failed")
    lent(house)
    out = house.hear(execute(upstream=tuple((task, "") for task in tasks)))
    assert house.state(execution_id("t", "r")) == State.FAILED
    assert [(job.task, job.seq) for job in jobs(out)] == [("after", 1)]


def test_executions_wait_as_long_as_they_are_in_line() -> None:
    """Whatever door they leave it by, it is empty in the end."""
    house = House()
    a, b = house.submit("a"), house.submit("b", execution_timeout=5)
    assert house.table.queued("default").waiting[5] == 2
    house.assign(a)
    house.wake(b)
    assert (house.state(b), house.table.waits()) == (State.FAILED, set())
    assert moves(house.finish(a, "returned")) == [("returned", State.WAITING)]
    house.restart()
    assert house.table.queued("default").waiting[5] == 1
    house.do(c.Cancel(a, house.now))
    assert house.table.waits() == set()


@pytest.mark.parametrize("at", range(6))
def test_who_gets_what_is_the_same_wherever_it_is_left_off(at: int) -> None:
    """Also where the end of one in a pool lets somebody run in another, and that one's end somebody in the first."""
    house = House()
    house.hear(execute("x", pool="b", priority=9), execute("low", pool="b", priority=1))
    house.hear(execute("y", pool="a", upstream=(("x", ""),), trigger="all_failed"))
    house.hear(execute("z", pool="b", priority=8, upstream=(("y", ""),), trigger="all_failed"))
    for worker, pool in (("v", "a"), ("w", "b")):
        house.do(c.Lend(worker, pool, 0, 1, 1))
    broken, looks = {execution_id("x", "r"), execution_id("y", "r")}, count()
    out = Outbox(pools={"a", "b"})
    give_away(out, house.table, house.partition, house.now, 0, broken, lambda: next(looks) == at)
    if out.pools:
        house.restart()
        give_away(Outbox(pools=house.table.served()), house.table, house.partition, house.now, 0, broken)
    assert [house.state(execution_id(task, "r")) for task in ("z", "low")] == [State.DISPATCHED, State.WAITING]
