"""A command's value: the last line of what it prints, however long."""

import json

import pytest

from streams.worker.outcomes import LINE_CHARACTERS
from streams.worker.output import LastLine


@pytest.mark.parametrize("chunk", [1, 7, 4_096])
def test_a_line_longer_than_the_log_shows_is_whole(chunk: int) -> None:
    """The log breaks it; a value that was broken would be another value."""
    value = json.dumps(list(range(LINE_CHARACTERS)))
    said, last = f"first\n{value}\n \n".encode(), LastLine(1_000_000)
    for at in range(0, len(said), chunk):
        last.feed(said[at : at + chunk])
    assert last.end() == value


def test_of_a_line_that_is_too_long_no_more_is_kept_than_shows_that() -> None:
    """Memory stays bounded, and the next line begins anew."""
    last = LastLine(10)
    last.feed(b"x" * 1_000)
    assert last.end() == "x" * 10
    last.feed(b"y" * 1_000 + b"\nshort")
    assert last.end() == "short"
