"""When timers ring, where the scheduler's clock and the log's differ."""

import pytest
from simulated.house import House
from simulated.node import feed

from pipelines.ids import execution_id
from streams.engine import commands as c
from streams.engine.records import State, TaskDef
from streams.envelope import pack, task_commands
from streams.settings import Settings
from streams.stages.clock import LogClock
from streams.stages.incoming import Incoming, Send
from streams.stages.loop import Loop, Stage
from streams.stages.schedule import Schedule
from streams.state.memory import MemoryPartition

HOUR = 3_600_000
WHICH = execution_id("t", "r")


class Scheduler:
    """A partition of SCHEDULE whose own clock is `ahead` of its log's; `now` is the log's time."""

    def __init__(self, ahead: int) -> None:
        self.ahead, self.now, self.offset = ahead, 100 * HOUR, 0
        self.partition = MemoryPartition()
        settings = Settings(task_partitions=1)
        stage = Stage("schedule", "in", "dead", lambda p: Schedule(p, settings))
        self.loop = Loop(stage, self.partition, self._send)

    def take(self, value: bytes) -> None:
        """A message arrives."""
        feed(self.loop, [Incoming(self.offset, self.now, value)])
        self.offset += 1

    def ring(self) -> list[c.TaskCommand]:
        """What the timers write to the log now; it arrives."""
        sent = self.loop._logic.ring(self.now + self.ahead)
        for one in sent:
            self.take(one.value)
        return [command for one in sent for command in task_commands(one.value)]

    def submit(self, later: int) -> None:
        """Something is due later."""
        task = TaskDef("t", "python", b"{}")
        self.take(*pack([c.Execute(WHICH, "t", "r", self.now, self.now + later, task_def=task)]))

    def state(self) -> str:
        """Where it stands."""
        record = self.loop._logic._table.execution(WHICH)
        return str(record.state)

    async def _send(self, _sends: list[Send]) -> None:
        return


@pytest.mark.parametrize("ahead", [-HOUR, 0, HOUR])
def test_timers_ring_by_the_logs_time(ahead: int) -> None:
    """However wrong the scheduler's own clock is, and though it does not know that at first."""
    one = Scheduler(ahead)
    assert one.ring() == [c.Wake(b"", one.now + ahead)]
    one.submit(1_000)
    assert one.ring() == []
    assert one.loop._logic.next_timer(one.now + ahead) == one.now + ahead + 1_000
    one.now += 999
    assert (one.ring(), one.state()) == ([], State.SCHEDULED)
    one.now += 1
    assert (one.ring(), one.state()) == ([c.Wake(WHICH, one.now, one.now - 1)], State.WAITING)


def test_a_partition_asks_its_silent_log_only_once_what_time_it_is() -> None:
    """Until the answer comes there is nothing to wait for but messages."""
    logic = Scheduler(0).loop._logic
    assert logic.next_timer(5) == 5
    assert len(logic.ring(5)) == 1
    assert logic.ring(6) == []
    assert logic.next_timer(6) > 10**15


def test_a_clock_that_is_set_forward_rings_once_in_vain_and_then_in_time() -> None:
    """What came too early for the log comes to nothing, is not lost, and does not ring again until it is due."""
    one = Scheduler(0)
    one.submit(2 * HOUR)
    one.ring()
    one.ahead = 3 * HOUR
    assert (len(one.ring()), one.state()) == (1, State.SCHEDULED)
    assert one.ring() == []
    one.now += 2 * HOUR - 1
    assert (one.ring(), one.state()) == ([], State.SCHEDULED)
    one.now += 1
    assert (one.ring(), one.state()) == ([c.Wake(WHICH, one.now, one.now - 1)], State.WAITING)


def test_a_clock_that_is_set_back_delays_nothing() -> None:
    """Its log is asked anew what time it is, also where nothing else arrives."""
    one = Scheduler(0)
    one.submit(1_000)
    one.ring()
    one.ahead = -HOUR
    one.now += 500
    assert one.ring() == [c.Wake(b"", one.now - HOUR)]
    assert one.ring() == []
    one.now += 500
    assert (len(one.ring()), one.state()) == (1, State.WAITING)


def test_a_wake_that_names_a_later_time_than_the_logs_moves_nothing() -> None:
    """The log decides, and nobody else."""
    house = House()
    which = house.submit(due_at=house.now + 500)
    house.do(c.Wake(which, house.now + 10**9))
    assert house.state(which) == State.SCHEDULED


def test_the_nearest_difference_counts_until_it_is_doubted() -> None:
    """A message that was handled late says less than one that was handled at once."""
    clock = LogClock()
    assert clock.log_time(5) is None
    for heard, now in ((1_000, 1_010), (1_050, 1_051), (1_100, 1_300)):
        clock.hear(heard)
        clock.learn(now)
    assert (clock.log_time(2_000), clock.own_time(1_999)) == (1_999, 2_000)
    clock.doubt()
    clock.learn(3_000)
    assert clock.log_time(3_000) == 2_999
    clock.hear(2_990)
    clock.learn(3_000)
    assert clock.log_time(3_000) == 2_990
