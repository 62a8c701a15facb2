from streams.worker.lease import Lease


def test_a_lease_counts_from_when_the_beat_was_sent() -> None:
    """An answer that took long does not lengthen it."""
    lease = Lease(10, now=0)
    lease.acknowledged(sent=5, now=8)
    assert lease.holds(14)
    assert not lease.holds(14.1)


def test_a_late_answer_does_not_bring_a_lease_back() -> None:
    """A beat that got through after the end may cross a dismissal: it takes a second one, half a lease later."""
    lease = Lease(10, now=0)
    assert not lease.holds(9.5)
    lease.acknowledged(sent=9, now=9.5)
    lease.acknowledged(sent=10, now=10.5)
    assert not lease.holds(10.5)
    lease.acknowledged(sent=14, now=14.2)
    assert lease.holds(14.2)
    assert lease.until == 14 + 9


def test_an_older_answer_shortens_nothing() -> None:
    """Answers may come in any order."""
    lease = Lease(10, now=0)
    lease.acknowledged(sent=5, now=6)
    lease.acknowledged(sent=3, now=6)
    assert lease.until == 14
