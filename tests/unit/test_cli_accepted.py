"""What is said of an order that was accepted."""

import pytest

from pipelines.views import Accepted, StateName
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


@pytest.mark.parametrize(("state", "told"), [("waiting", True), ("succeeded", False)])
def test_who_does_not_wait_is_told_how_to_see_the_end(
    state: StateName,
    told: bool,  # noqa: FBT001  (a parameter)
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A state alone, as the last word, looks as if it stayed that way."""
    report(Accepted(execution="e", state=state, decided=True), PLAIN)
    assert ("follow it: headrace show e" in capsys.readouterr().err) is told


def test_of_many_nobody_waits_for_decisions(capsys: pytest.CaptureFixture[str]) -> None:
    """So nothing is missing there; how many they are is told beside their ids."""
    report_all([Accepted(execution="e"), Accepted(execution="f")], PLAIN)
    assert capsys.readouterr() == ("e\nf\n", "2 accepted\n")
