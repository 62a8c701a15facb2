"""What `headrace show` prints of a result."""

import json

import pytest
from showroom.world import World

from ui.cli.show import RESULT_CHARACTERS, RESULT_LINES, begin_of_result


def printed(result: object) -> list[str]:
    """The lines about a result."""
    world = World()
    view = world.rows[world.add("p.load", "succeeded", result=result)]
    return "\n".join(part.plain for part in begin_of_result(view)).splitlines()


@pytest.mark.parametrize("result", [{"rows": 3}, [1, 2], "text", 0, False])
def test_a_short_result_is_whole(result: object) -> None:
    """What fits is printed as it is, with no remark."""
    assert json.loads("\n".join(printed(result))) == result


def test_a_long_result_is_cut_with_a_remark() -> None:
    """Of thousands of lines people see the first, how many there are, and how to have all."""
    *lines, remark = printed(list(range(5000)))
    assert lines[:2] == ["[", "  0,"]
    assert len(lines) == RESULT_LINES
    assert "5,002 lines" in remark
    assert "-o json" in remark


def test_a_long_line_is_cut_too() -> None:
    """One line without end is cut by its characters."""
    line, remark = printed("x" * 50_000)
    assert len(line) == RESULT_CHARACTERS
    assert "50,002 characters" in remark
