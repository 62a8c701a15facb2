"""What DISPATCH says by the clock: who is silent, and how the pools stand."""

import msgspec
import pytest
from simulated.node import feed
from structlog.testing import capture_logs

from streams.engine import commands as c
from streams.envelope import pack, ready_commands, task_commands
from streams.settings import Settings
from streams.stages.dispatch import Dispatch
from streams.stages.incoming import Incoming, Send
from streams.stages.loop import Loop, Stage
from streams.state.memory import MemoryPartition

HOUR = 3_600_000
LEASE = 5_000
STEP = 50
"""Milliseconds between two looks at the timers."""

LATE = LEASE // 10 + 2 * STEP
"""Milliseconds after the end of a lease by which it is judged."""


class Desk:
    """A partition of DISPATCH and its log; `now` is the log's time, and the dispatcher's own clock is `ahead` of it."""

    def __init__(self, ahead: int = 0, **settings: object) -> None:
        self.now, self.ahead = 100 * HOUR, ahead
        self.settings = Settings(**{"lease": LEASE / 1000, "ready_partitions": 1, "task_partitions": 1} | settings)
        self.sent: list[Send] = []
        self._log: list[Incoming] = []
        self._partition = MemoryPartition()
        self.take_over()

    def take_over(self) -> None:
        """Another scheduler goes on from the table."""
        stage = Stage("dispatch", "headrace.ready", "dead", lambda p: Dispatch(p, self.settings))
        self._loop = Loop(stage, self._partition, self._send)

    def append(self, *commands: c.ReadyCommand) -> None:
        """Something comes into the log."""
        self._log += [Incoming(len(self._log) + n, self.now, value) for n, value in enumerate(pack(commands))]

    def take(self, *commands: c.ReadyCommand) -> None:
        """It comes into the log, and the dispatcher reads all that is there."""
        self.append(*commands)
        feed(self._loop, self._log[self._partition.marker + 1 :])

    def ring(self) -> list[Send]:
        """What the timers say now; it is not read yet."""
        sends = self._loop._logic.ring(self.now + self.ahead)
        for send in sends:
            if send.topic == "headrace.ready":
                self.append(*ready_commands(send.value or b""))
        return sends

    def wait(self, milliseconds: int = STEP) -> None:
        """Time passes, and the dispatcher does what it does."""
        for _ in range(0, milliseconds, STEP):
            self.now += STEP
            self.ring()
            self.take()

    def lost(self) -> set[str]:
        """Who was declared lost."""
        tasks = [send for send in self.sent if send.topic == "headrace.tasks"]
        return {command.worker for send in tasks for command in task_commands(send.value or b"")}

    def until_lost(self) -> int:
        """Milliseconds until somebody is."""
        begun = self.now
        while not self.lost():
            self.wait()
            assert self.now < begun + 10 * LEASE, "nobody was ever judged"
        return self.now - begun

    async def _send(self, sends: list[Send]) -> None:
        self.sent += sends


def beat(worker: str = "w") -> c.Beat:
    """A sign of life."""
    return c.Beat(worker, "p", 1, -1, 0, 0)


@pytest.mark.parametrize("ahead", [-HOUR, 0, HOUR])
def test_silence_is_judged_by_the_logs_time(ahead: int) -> None:
    """A scheduler whose own clock is wrong declares nobody lost too early, and nobody too late."""
    desk = Desk(ahead)
    desk.take(beat())
    assert LEASE < desk.until_lost() <= LEASE + LATE


def test_a_silent_worker_is_logged_once_and_one_that_leaves_is_not() -> None:
    """With all by which a person finds it; whoever takes over does not say it again."""
    desk = Desk()
    desk.take(c.Beat("w\x1b[2J", "p", 1, -1, 0, 0, host="here", pid=7), beat("leaves"))
    desk.take(c.Goodbye("leaves", "p"))
    with capture_logs() as told:
        desk.wait(LEASE + LATE)
        desk.take_over()
        desk.wait(LEASE)
    [line] = told
    assert line["log_level"] == "warning"
    assert line["event"].startswith(r"worker 'w\x1b[2J' of pool 'p' (process 7 on 'here') has said nothing for 5.")
    assert line["event"].endswith("what may not run twice ends as lost")


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_clock_that_is_set_does_not_spare_the_silent(by: int) -> None:
    """Our own clock: the log is asked what time it is, and the lease ends when it ends."""
    desk = Desk()
    desk.take(beat())
    desk.wait(LEASE // 2)
    desk.ahead = by
    assert LEASE < LEASE // 2 + desk.until_lost() <= LEASE + LATE


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_when_the_logs_clock_is_set_all_leases_begin_anew(by: int) -> None:
    """Nobody loses one for it, and nobody keeps one for ever."""
    desk = Desk()
    desk.take(beat())
    desk.wait(LEASE // 2)
    desk.now, desk.ahead = desk.now + by, -by
    assert LEASE < desk.until_lost() <= LEASE + LEASE // 4 + 2 * LATE


@pytest.mark.parametrize("after", [0, LEASE // 4, LEASE // 2 - STEP])
def test_a_takeover_gives_the_silent_no_new_lease(after: int) -> None:
    """The table knows when a worker was last heard, and nobody else has to say anything in the log."""
    desk = Desk()
    desk.take(beat())
    desk.now += after
    desk.take_over()
    assert LEASE < after + desk.until_lost() <= LEASE + LATE


@pytest.mark.parametrize("worker", ["first", "second"])
def test_beats_count_that_nobody_read_when_they_came(worker: str) -> None:
    """A dispatcher that was away proposes whom it last heard long ago; the log has heard better."""
    desk = Desk()
    desk.take(beat("first"), beat("second"))
    for _ in range(2 * LEASE // 1000):
        desk.now += 1_000
        desk.append(beat(worker))
    desk.ring()
    desk.take()
    desk.wait(LEASE // 10)
    assert desk.lost() == {"first", "second"} - {worker}


@pytest.mark.parametrize("proposes", [True, False])
def test_nobody_is_lost_because_the_broker_was_away(proposes: bool) -> None:  # noqa: FBT001  (pytest's way)
    """Whoever comes first after a silence of the log: each has a whole lease from there, takeover or not."""
    desk = Desk()
    desk.take(beat("lives"), beat("dead"))
    desk.ring()
    desk.now += 3 * LEASE
    if proposes:
        assert desk.ring()[0].topic == "headrace.ready"
    desk.take(beat("lives"))
    desk.take_over()
    assert LEASE < desk.until_lost() <= LEASE + LATE


def test_workers_that_ask_for_a_lane_put_off_nothing() -> None:
    """They come more seldom than half a lease; the dispatcher knows all the same that the log was there."""
    desk = Desk(lease=1.8, lanes=1)
    desk.take(beat())
    for _ in range(2):
        desk.wait(1_000)
        desk.take(beat("other"))
    desk.wait(4 * STEP)
    assert desk.lost() == {"w"}


def test_without_workers_nothing_is_asked() -> None:
    """Nobody can be silent."""
    assert Desk().ring() == []


def test_a_pools_last_report_is_taken_away_with_it() -> None:
    """By the batch that closes it: whoever takes over right behind it need not know that there was one."""
    desk = Desk()
    desk.take(beat())
    (report,) = desk.ring()
    assert (report.key, msgspec.json.decode(report.value or b"")["slots"]) == (b"pool/p", 1)
    desk.take(c.Goodbye("w", "p"))
    gone = Send("headrace.status", 0, None, b"pool/p")
    assert [send for send in desk.sent if send.topic == "headrace.status"] == [gone]
    assert desk.ring() == []


def test_a_pool_that_is_there_again_keeps_its_report() -> None:
    """Its worker left and came in one message."""
    desk = Desk()
    desk.take(beat())
    desk.take(c.Goodbye("w", "p"), beat("next"))
    assert [send for send in desk.sent if send.topic == "headrace.status"] == []
