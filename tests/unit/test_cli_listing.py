"""Which requests `list` makes for a page."""

import pytest

from pipelines.views import ExecutionPage, ExecutionRow
from ui.cli.exits import UsageError
from ui.cli.listing import REACH, _page, executions


class Api:
    """So many executions, by pages; `asked` has the size of each page that was wanted."""

    def __init__(self, rows: int) -> None:
        self.rows, self.asked = rows, list[int]()

    def page(self, *, limit: int, cursor: str) -> ExecutionPage:
        """One page; what an execution is called is its place."""
        self.asked.append(limit)
        start = int(cursor or 0)
        end = min(start + limit, self.rows)
        items = tuple(ExecutionRow.model_construct(execution=str(place)) for place in range(start, end))
        return ExecutionPage.model_construct(items=items, total=self.rows, next=str(end) if end < self.rows else None)


@pytest.mark.parametrize(
    ("number", "limit", "requests"), [(1, 50, 1), (2, 50, 2), (200, 3, 2), (1000, 25, 26), (51, 1000, 51)]
)
def test_what_comes_before_a_page_is_passed_over_quickly(number: int, limit: int, requests: int) -> None:
    """By the largest pages that there are, and not by as many as are passed over."""
    api = Api(60_000)
    found = _page(api.page, number, limit)
    assert [row.execution for row in found.items] == [str((number - 1) * limit + n) for n in range(limit)]
    assert len(api.asked) == requests
    assert max(api.asked) <= 1000


def test_a_page_that_is_not_there_is_said_with_the_last_one() -> None:
    """Be the last one full or not, or empty as nothing matches."""
    for rows, last in ((0, 1), (50, 1), (51, 2), (100, 2)):
        with pytest.raises(UsageError, match=f"there is no page 7: page {last} is the last one"):
            _page(Api(rows).page, 7, 50)


def test_a_page_too_far_away_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is asked, with what leads there."""
    with pytest.raises(SystemExit) as ended:
        executions(page=REACH // 25 + 2, limit=25)
    assert ended.value.code == 2
    assert "narrow by filters, e.g. --until" in capsys.readouterr().err
