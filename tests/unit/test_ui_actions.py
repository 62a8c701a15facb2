import pytest

from pipelines.views import BulkAnswer, Problem, RefusalView
from ui.client import ApiError, ApiUnavailableError
from ui.parts.actions import report, undone


def _answer(status: int) -> ApiError:
    return ApiError(Problem(title="", status=status, detail="it was so"))


@pytest.mark.parametrize("error", [ApiUnavailableError("Kafka did not confirm it"), _answer(500)])
def test_what_was_not_confirmed_is_not_called_refused(error: Exception) -> None:
    """A cancel whose acknowledgement was lost may be carried out: nobody is told that nothing happened."""
    assert "may have been done" in undone(error)


def test_what_was_refused_changed_nothing() -> None:
    """The API said no, so it did nothing."""
    assert undone(_answer(409)) == "Refused; nothing was changed."


def test_what_the_api_says_of_many_is_shown() -> None:
    """That nothing matched, or that lost ones may run twice, be some refused or not."""
    assert report("retry", BulkAnswer(accepted=2, executions={})) == "2 retried."
    assert report("cancel", BulkAnswer(accepted=0, executions={}, detail="no match")) == "0 cancelled. `no match`"
    refused = (RefusalView(execution="x" * 12, detail="too late"),)
    told = report("retry", BulkAnswer(accepted=1, executions={}, refused=refused, detail="it may run twice"))
    assert told == "1 retried. 1 refused, the first `xxxxxxxxxxxx`: `too late`. `it may run twice`"
