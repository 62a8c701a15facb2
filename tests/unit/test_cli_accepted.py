"""What is said of an order that was accepted."""

import pytest

from pipelines.views import Accepted
from ui.cli.accepted import report, report_all
from ui.cli.common import PLAIN

UNDECIDED = "no word of a scheduler yet"


@pytest.mark.parametrize("decided", [True, False])
def test_who_waited_for_a_decision_in_vain_is_told(decided: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001  (a parameter)
    """An id alone would look as if all were well, and `show` does not know it yet."""
    report(Accepted(execution="e", state="waiting" if decided else None, decided=decided), PLAIN)
    out, err = capsys.readouterr()
    assert out == "e\n"
    assert (UNDECIDED in err) is not decided


def test_of_many_nobody_waits_for_decisions(capsys: pytest.CaptureFixture[str]) -> None:
    """So nothing is missing there."""
    report_all([Accepted(execution="e"), Accepted(execution="f")], PLAIN)
    assert capsys.readouterr().out == "e\nf\n"
