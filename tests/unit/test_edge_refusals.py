"""How the API answers what the scheduler refused."""

from simulated.house import House, refusals

from streams.edge.orders import says_unknown
from streams.engine import commands as c


def test_what_the_scheduler_does_not_know_is_unknown() -> None:
    """A task or a pipeline that does not exist is told from one that cannot run now."""
    [task] = refusals(House().do(c.Execute(b"i" * 16, "t", "r", 1)))
    [pipeline] = refusals(House().do(c.ExecutePipeline("p", "r", 1)))
    assert says_unknown(task)
    assert says_unknown(pipeline)
    assert not says_unknown("this execution exists already")
