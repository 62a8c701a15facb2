"""Credits against a dispatcher that obeys them, over a lane that reorders, repeats and loses."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.worker.credits import Credits, Seen

CAPACITY = 7


class Exchange(RuleBasedStateMachine):
    """A worker and a dispatcher. Every assignment is a job, or turns out void on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.credits = Credits()
        self.limit = 0
        self.assigned = 0
        self.on_the_way: list[tuple[int, bool]] = []
        self.arrived: list[tuple[int, bool]] = []
        self.held = 0

    @rule(void=st.booleans())
    def assign(self, *, void: bool) -> None:
        """The dispatcher assigns one, if it may."""
        if self.assigned < self.limit:
            self.assigned += 1
            self.on_the_way.append((self.assigned, void))

    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Any one of those on their way arrives."""
        if self.on_the_way:
            at = data.draw(st.integers(0, len(self.on_the_way) - 1))
            seq, void = self.on_the_way.pop(at)
            self.arrived.append((seq, void))
            assert self.credits.seen.add(seq)
            self.held += not void

    @rule(data=st.data())
    def arrive_again(self, data: st.DataObject) -> None:
        """One that has arrived comes once more."""
        if self.arrived:
            seq, _ = data.draw(st.sampled_from(self.arrived))
            assert not self.credits.seen.add(seq)

    @rule()
    def finish(self) -> None:
        """A job ends."""
        self.held -= self.held > 0

    @rule(lost=st.booleans())
    def credit(self, *, lost: bool) -> None:
        """The worker tells its limit where that is worth a message, which may get lost."""
        limit = self.credits.news(CAPACITY, self.held)
        if limit is not None and not lost:
            self.limit = limit

    @rule()
    def beat(self) -> None:
        """A beat tells it in any case."""
        self.limit = self.credits.tell(self.credits.limit(CAPACITY, self.held))

    @invariant()
    def never_over_capacity(self) -> None:
        """What it has and what is on its way fits."""
        assert self.held + sum(1 for _, void in self.on_the_way if not void) <= CAPACITY

    def teardown(self) -> None:
        """Once all has arrived, a beat restores the whole capacity, whatever happened before."""
        for seq, void in self.on_the_way:
            self.credits.seen.add(seq)
            self.held += not void
        limit = self.credits.limit(CAPACITY, self.held)
        assert limit - self.assigned == CAPACITY - self.held
        assert self.credits.seen.count == self.assigned


TestExchange = Exchange.TestCase


def test_holes_keep_only_what_is_above_them() -> None:
    """A hole costs memory only until it is filled."""
    seen = Seen()
    for seq in range(2, 500):
        assert seen.add(seq)
    assert seen.count == 498
    assert seen.add(1)
    assert seen.count == 499
    assert not seen._above


def test_a_limit_is_told_when_it_falls_or_grew_by_a_share() -> None:
    """Small growth waits for company, a lower limit never does."""
    told = Credits()
    assert told.news(80, 0) == 80
    for seq in range(1, 10):
        told.seen.add(seq)
    assert told.news(80, 0) is None
    told.seen.add(10)
    assert told.news(80, 0) == 90
    assert told.news(8, 8) == 10
