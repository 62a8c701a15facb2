from streams.worker.panel import ROOM, Panel


def test_the_journal_is_read_until_it_is_sent() -> None:
    """The worker sees what is journalled and not sent."""
    panel = Panel.make()
    panel.append(b"one")
    panel.append(b"two")
    assert panel.peek() == b"onetwo"
    assert bytes(panel.journal()) == b"onetwo"
    panel.empty()
    assert (panel.peek(), panel.used, panel.round) == (b"", 0, 1)
    panel.append(b"x" * ROOM)
    assert panel.used == ROOM
    panel.close()


def test_a_job_that_was_taken_back_does_not_start() -> None:
    """The one that runs goes on."""
    panel = Panel.make()
    assert panel.may_start(1, 5.0)
    assert panel.take_back(4) == 1
    assert panel.running() == (1, 5.0)
    panel.ended()
    assert not panel.may_start(3, 6.0)
    assert panel.running()[0] == 0
    assert panel.may_start(4, 7.0)
    panel.close()


def test_both_sides_see_the_same_page() -> None:
    """Fence and frames are what the worker noted."""
    panel = Panel.make()
    panel.set_fence(12.5)
    panel.count_sent()
    assert (panel.fence, panel.sent) == (12.5, 1)
    panel.close()
