import pytest

from pipelines.views import Problem
from ui.client import ApiError, ApiUnavailableError
from ui.parts.actions import undone


def _answer(status: int) -> ApiError:
    return ApiError(Problem(title="", status=status, detail="it was so"))


@pytest.mark.parametrize("error", [ApiUnavailableError("Kafka did not confirm it"), _answer(500)])
def test_what_was_not_confirmed_is_not_called_refused(error: Exception) -> None:
    """A cancel whose acknowledgement was lost may be carried out: nobody is told that nothing happened."""
    assert "may have been done" in undone(error)


def test_what_was_refused_changed_nothing() -> None:
    """The API said no, so it did nothing."""
    assert undone(_answer(409)) == "Refused; nothing was changed."
