"""What DISPATCH says by the clock: who is silent, and how the pools stand."""

import msgspec
import pytest

from streams.engine import commands as c
from streams.envelope import pack, ready_commands
from streams.settings import Settings
from streams.stages import dispatch
from streams.stages.dispatch import Dispatch
from streams.stages.incoming import Incoming, Send
from streams.state.memory import MemoryPartition

HOUR = 3_600_000
LEASE = 5_000


class Desk:
    """A partition of DISPATCH; `now` is the log's time, and its own clock is `ahead` of that."""

    def __init__(self, patch: pytest.MonkeyPatch, ahead: int = 0) -> None:
        self.now, self.ahead, self._offset = 100 * HOUR, ahead, 0
        patch.setattr(dispatch, "_now", lambda: self.now + self.ahead)
        self.logic = Dispatch(MemoryPartition(), Settings(lease=LEASE / 1000, ready_partitions=1))

    def take(self, *commands: c.ReadyCommand) -> None:
        """A message arrives, and the timers are looked at behind it."""
        (value,) = pack(commands)
        self.logic.handle(Incoming(self._offset, self.now, value))
        self._offset += 1

    def ring(self, later: int = 0) -> list[Send]:
        """What the clock says after a while."""
        self.now += later
        return self.logic.ring(self.now + self.ahead)

    def silent(self, later: int = 0) -> list[str]:
        """Who is proposed as silent after a while."""
        sends = [send for send in self.ring(later) if send.topic == "headrace.ready"]
        return [command.worker for send in sends for command in ready_commands(send.value or b"")]


def beat() -> c.Beat:
    """A sign of life."""
    return c.Beat("w", "p", 1, -1, 0, 0)


@pytest.mark.parametrize("ahead", [-HOUR, 0, HOUR])
def test_silence_is_judged_by_the_logs_time(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """A scheduler whose own clock is wrong proposes nobody too early, and nobody too late."""
    desk = Desk(monkeypatch, ahead)
    desk.take(beat())
    assert desk.silent() == []
    assert desk.silent(LEASE) == []
    assert desk.silent(LEASE // 10 + 1) == ["w"]


def test_a_clock_that_is_set_back_does_not_spare_the_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look is never more than a lease away."""
    desk = Desk(monkeypatch)
    desk.take(beat())
    desk.silent()
    desk.ahead = -HOUR
    desk.take(c.Credit("w", "p", 1))
    desk.silent()
    desk.take(c.Silent("w", desk.now + HOUR))
    assert desk.silent() == []
    assert desk.silent(LEASE) == []
    assert desk.silent(LEASE // 10 + 1) == ["w"]


def test_a_dispatcher_that_hears_nothing_asks_its_log_for_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: otherwise workers that died before a takeover would never be judged."""
    desk = Desk(monkeypatch)
    assert desk.silent() == []
    assert (desk.silent(LEASE), desk.silent(LEASE)) == ([""], [])


def test_a_pools_last_report_is_taken_away_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status topic keeps the newest word of each pool that there is, and no more."""
    desk = Desk(monkeypatch)
    desk.take(beat())
    (report,) = desk.ring()
    assert (report.key, msgspec.json.decode(report.value or b"")["slots"]) == (b"pool/p", 1)
    desk.take(c.Goodbye("w", "p"))
    assert desk.ring(1_000) == [Send("headrace.status", 0, None, b"pool/p")]
    assert desk.ring(1_000) == []
