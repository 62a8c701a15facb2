"""A dispatcher: its lanes, its credits, and whom it believes."""

from streams.engine import commands as c
from streams.engine.dispatch import QUEUED_FOR, Dispatcher, Domain, Proposals
from streams.stages.overlay import Overlay
from streams.state.memory import MemoryPartition

LEASE = 5_000
DOMAIN = Domain(number=0, count=1, homes=2, lanes=3, lease=LEASE)
ALONE = Domain(number=0, count=1, homes=1, lanes=3, lease=LEASE)


class Desk:
    """A dispatcher over a table in memory. Each `take` is one message."""

    def __init__(self, domain: Domain = DOMAIN) -> None:
        self.overlay = Overlay(MemoryPartition())
        self.domain = domain
        self.dispatcher = Dispatcher(self.overlay, domain)
        self.now = 1_000
        self._ids = 0

    def kept(self) -> list[bytes]:
        """The keys of what it keeps of pools and workers."""
        self.dispatcher.save()
        return [key for key, _ in self.overlay.scan(b"!", b"\xff", 10) if key != b"h"]

    def take(self, *commands: c.ReadyCommand) -> Proposals:
        """What one message of these commands leads to."""
        out = Proposals()
        for command in commands:
            self.dispatcher.take(out, command, self.now)
        self.dispatcher.assign(out)
        return out

    def restart(self) -> None:
        """Go on with nothing in memory."""
        self.dispatcher.save()
        self.dispatcher = Dispatcher(self.overlay, self.domain)

    def ready(self, priority: int = 5, pool: str = "p") -> c.Ready:
        """Somebody new who may run."""
        self._ids += 1
        return c.Ready(pool, self._ids.to_bytes(16, "big"), 1, priority, 100, 50)

    def hire(self, worker: str, limit: int = -1, pool: str = "p") -> Proposals:
        """A worker asks for a lane, and then says what it accepts."""
        first = self.take(beat(worker, -1, pool))
        if limit >= 0:
            self.take(c.Credit(worker, pool, limit))
        return first


def beat(worker: str, limit: int, pool: str = "p", **fields: object) -> c.Beat:
    """A sign of life."""
    return c.Beat(worker, pool, 8, limit, 0, 0, **fields)


def assigned(out: Proposals) -> list[c.Assign]:
    """The proposals of a message, in the order of each home."""
    return [a for home in sorted(out.homes) for a in out.homes[home] if isinstance(a, c.Assign)]


def lent(out: Proposals) -> list[c.TaskCommand]:
    """What a message lends and calls back."""
    return [k for home in sorted(out.homes) for k in out.homes[home] if isinstance(k, c.Lend | c.Recall)]


def test_a_worker_is_leased_a_lane_that_nobody_has() -> None:
    """Each incarnation gets a lane of its own, and is told once more when it asks once more."""
    desk = Desk()
    grants = [desk.hire(worker).workers for worker in ("a", "b", "a")]
    assert grants == [[c.Grant(worker, lane, LEASE)] for worker, lane in (("a", 0), ("b", 1), ("a", 0))]


def test_without_a_free_lane_a_worker_is_told_what_to_do() -> None:
    """The refusal names the setting."""
    desk = Desk()
    for worker in ("a", "b", "c"):
        desk.hire(worker)
    (dismissal,) = desk.hire("d").workers
    assert dismissal == c.Dismiss("d", "all 3 lanes are leased: raise the setting `lanes`")
    desk.take(c.Goodbye("b", "p"))
    assert desk.hire("d").workers == [c.Grant("d", 1, LEASE)]


def test_partitions_share_the_lanes_without_meeting() -> None:
    """Each partition of headrace.ready leases lanes of its own."""
    desk = Desk(Domain(number=1, count=2, homes=2, lanes=5, lease=LEASE))
    lanes = [grant.lane for worker in ("a", "b") for grant in desk.hire(worker).workers if isinstance(grant, c.Grant)]
    assert lanes == [1, 3]
    assert isinstance(desk.hire("c").workers[0], c.Dismiss)


def test_credits_are_never_passed() -> None:
    """However many wait, a worker gets what it said it accepts, counted since its lane was granted."""
    desk = Desk()
    desk.hire("a", 2)
    assert len(assigned(desk.take(*(desk.ready() for _ in range(5))))) == 2
    assert assigned(desk.take(c.Credit("a", "p", 2))) == []
    assert sorted(a.seq for a in assigned(desk.take(c.Credit("a", "p", 4)))) == [3, 4]


def test_a_repeated_or_old_credit_gives_nothing_more() -> None:
    """Limits are absolute: hearing one twice, or an older one later, does not raise them."""
    desk = Desk()
    desk.hire("a", 3)
    desk.take(*(desk.ready() for _ in range(9)))
    for limit in (3, 2, 3):
        assert assigned(desk.take(c.Credit("a", "p", limit))) == []


def test_the_worker_with_most_room_is_next() -> None:
    """Work is spread: three jobs over two workers with the same room are two and one."""
    desk = Desk()
    desk.hire("a", 2)
    desk.hire("b", 2)
    out = desk.take(desk.ready(), desk.ready(), desk.ready())
    assert sorted(a.worker for a in assigned(out)) == ["a", "a", "b"]


def test_the_most_critical_of_a_whole_message_is_first() -> None:
    """I5: what arrives together is ordered before anything is given away."""
    desk = Desk()
    desk.hire("a", 1)
    low, high = desk.ready(1), desk.ready(9)
    assert [a.id for a in assigned(desk.take(low, high))] == [high.id]


def test_pools_do_not_lend_each_other_workers() -> None:
    """A worker serves one pool."""
    desk = Desk()
    desk.hire("a", 5, pool="q")
    assert assigned(desk.take(desk.ready())) == []


def test_who_left_the_line_is_not_given_away() -> None:
    """A withdrawal takes the place away."""
    desk = Desk()
    gone = desk.ready()
    desk.take(gone, c.Withdraw("p", gone.id, gone.priority, gone.deadline, gone.ready_at))
    assert assigned(desk.hire("a", 5)) == []


def test_a_silent_worker_loses_its_lane_and_everyone_hears() -> None:
    """After a lease without a sign of life every home partition is told, and so is the worker."""
    desk = Desk()
    desk.hire("a", 5)
    assert desk.dispatcher.silent(desk.now + LEASE) == []
    desk.now += LEASE + 1
    (silence,) = desk.dispatcher.silent(desk.now)
    out = desk.take(silence)
    assert out.homes == {home: [c.WorkerLost("a", desk.now)] for home in range(2)}
    assert isinstance(out.workers[0], c.Dismiss)
    assert assigned(desk.take(desk.ready())) == []


def test_a_worker_that_spoke_meanwhile_is_not_silent() -> None:
    """Between the clock's judgement and its turn in the log a beat may have come."""
    desk = Desk()
    desk.hire("a", 5)
    desk.now += LEASE + 1
    (silence,) = desk.dispatcher.silent(desk.now)
    assert desk.take(beat("a", 5), silence).homes == {}


def test_a_clock_that_runs_ahead_takes_no_lane_away() -> None:
    """The log's own time must agree that a lease is over: one machine's clock alone is no proof."""
    desk = Desk()
    desk.hire("a", 5)
    (silence,) = desk.dispatcher.silent(desk.now + 100 * LEASE)
    desk.now += LEASE // 2
    assert desk.take(silence).homes == {}


def test_a_worker_whose_lease_ran_out_is_not_heard() -> None:
    """Its credits and beats are answered with a dismissal; only a request for a lane is heard."""
    desk = Desk()
    for command in (c.Credit("old", "p", 3), beat("old", 3)):
        assert desk.take(command).workers == [c.Dismiss("old", "its lease ran out")]
    assert assigned(desk.take(desk.ready())) == []


def test_a_draining_worker_gets_nothing_more_and_learns_its_count() -> None:
    """It knows from the count when all that was assigned has arrived."""
    desk = Desk()
    desk.hire("a", 2)
    desk.take(desk.ready(), desk.ready(), desk.ready())
    out = desk.take(beat("a", 9, draining=True))
    assert out.workers == [c.Grant("a", 0, LEASE, assigned=2)]
    assert assigned(out) == []


def test_a_goodbye_frees_the_lane_at_once() -> None:
    """What it might still have is given up by every home partition; a repeated goodbye changes nothing."""
    desk = Desk()
    desk.hire("a")
    assert len(desk.take(c.Goodbye("a", "p")).homes) == 2
    assert desk.take(c.Goodbye("a", "p")).homes == {}
    assert desk.dispatcher.workers == {}


def test_a_restart_keeps_workers_and_lines() -> None:
    """Lanes, counts of assignments and those who wait are in the table."""
    desk = Desk()
    desk.hire("a", 1)
    desk.take(desk.ready(), desk.ready())
    before = desk.dispatcher.workers["a"]
    desk.restart()
    assert desk.dispatcher.workers == {"a": before}
    assert desk.dispatcher.pools() == {"p"}
    assert [a.seq for a in assigned(desk.take(c.Credit("a", "p", 2)))] == [2]


def test_a_pool_that_nobody_uses_any_more_leaves_nothing() -> None:
    """Its last worker has left and nobody waits; whoever comes later finds it anew."""
    desk = Desk()
    desk.hire("w", 1)
    ready = desk.ready()
    desk.take(ready)
    desk.take(c.Goodbye("w", "p"))
    assert (desk.dispatcher.pools(), desk.kept()) == (set(), [])
    waiting = desk.ready()
    desk.take(waiting)
    assert desk.dispatcher.pools() == {"p"}
    desk.restart()
    desk.take(
        c.Withdraw("p", waiting.id, waiting.priority, waiting.deadline, waiting.ready_at, waiting.arrival),
    )
    assert (desk.dispatcher.pools(), desk.kept()) == (set(), [])


def test_what_workers_accept_is_lent_where_all_live_on_one_partition() -> None:
    """To that one; it counts as assigned, and nobody stands in line here, whatever a message says."""
    desk = Desk(ALONE)
    desk.hire("a")
    assert lent(desk.take(c.Credit("a", "p", 1))) == [c.Lend("a", "p", 0, 1, 1)]
    assert lent(desk.take(beat("a", 1, capacity=8))) == []
    out = desk.take(desk.ready(), c.Credit("a", "p", 4))
    assert (assigned(out), lent(out)) == ([], [c.Lend("a", "p", 0, 2, 4)])
    desk.restart()
    assert lent(desk.take(c.Credit("a", "p", 4))) == []
    assert desk.dispatcher.lines == {}


def test_a_line_that_is_kept_elsewhere_is_as_long_as_was_said_lately() -> None:
    """Its pool is known as long as somebody is said to wait, or works."""
    desk, queued = Desk(ALONE), c.Queued("p", (0, 2, *[0] * 8), 900)
    desk.dispatcher.hear(desk.now)
    desk.take(queued)
    assert (desk.dispatcher.pools(), desk.dispatcher.queue("p")) == ({"p"}, queued)
    assert desk.take(c.Queued("p", (0,) * 10, 0)).closed == {"p"}
    assert (desk.dispatcher.pools(), desk.dispatcher.queue("p")) == (set(), None)
    desk.take(queued)
    desk.dispatcher.hear(desk.now + QUEUED_FOR)
    assert desk.dispatcher.queue("p") is None
    assert desk.take().closed == {"p"}
    assert (desk.dispatcher.pools(), desk.kept()) == (set(), [])


def test_with_several_partitions_nothing_is_lent() -> None:
    """None of them knows who waits on the others."""
    desk = Desk()
    desk.hire("a")
    assert lent(desk.take(c.Credit("a", "p", 3))) == []


def test_what_is_lent_of_a_worker_that_leaves_is_called_back() -> None:
    """Its grant says how many assignments were made in all: those that are lent come to nothing, and count."""
    desk = Desk(ALONE)
    desk.hire("a")
    desk.take(beat("a", 6, capacity=6))
    out = desk.take(beat("a", 0, draining=True))
    assert lent(out) == [c.Recall("a")]
    assert out.workers == [c.Grant("a", 0, LEASE, 6)]
    assert lent(desk.take(beat("a", 0, draining=True))) == []


def test_what_a_worker_wants_no_more_is_called_back() -> None:
    """It accepted much while its tasks were quick; a little too much is no matter."""
    desk = Desk(ALONE)
    desk.hire("a")
    assert lent(desk.take(beat("a", 100, capacity=100))) == [c.Lend("a", "p", 0, 1, 100)]
    assert lent(desk.take(beat("a", 78, capacity=30))) == []
    assert lent(desk.take(beat("a", 77, capacity=30))) == [c.Recall("a")]
    assert lent(desk.take(beat("a", 77, capacity=30))) == []
    assert lent(desk.take(beat("a", 130, capacity=30))) == [c.Lend("a", "p", 0, 101, 130)]
