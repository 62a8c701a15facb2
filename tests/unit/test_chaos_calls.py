"""The figures of calls that went through a balancer, from made-up ones."""

from tests.chaos.calls import Call, summary


def test_a_call_that_another_edge_served_did_not_fail() -> None:
    """It is counted by what the first one said; only what nobody did has failed, and says why."""
    served = Call("", "list", ("200",), 0.25)
    again = Call("", "submit", ("ConnectError", "202"), 0.5)
    refused = Call("", "show", ("404",), 0.75, "no such execution")
    nobody = Call("", "list", ("503", "ReadError"), 1.0, "reset")
    assert [call.failed for call in (served, again, refused, nobody)] == [False, False, True, True]
    told = summary([served, again, refused, nobody])
    assert told["calls"] == {"made": 4, "list": 2, "submit": 1, "show": 1, "failed": 2}
    assert told["calls_took_s"]["max"] == 1.0
    assert told["calls_asked_again"] == {"ConnectError": 1, "503": 1}
    assert told["calls_failed"] == {"show 404: no such execution": 1, "list 503 ReadError: reset": 1}


def test_nobody_called() -> None:
    """There is nothing to tell."""
    assert summary([])["calls"] == {"made": 0, "failed": 0}
