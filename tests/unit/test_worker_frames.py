import msgspec
import pytest

from streams.worker.frames import Answer, Done, Frames, Hello, Said, frame
from streams.worker.outcomes import Outcome, describe, encode_result
from streams.worker.output import Lines

MESSAGES = [Hello(3), Said(1, 1, 2, "stdout", "", "text"), Done(1, "succeeded", 5, 0.5, b"{}")]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frames_come_whole_however_the_stream_is_cut(size: int) -> None:
    """Pieces of any size make the same messages."""
    data = b"".join(map(frame, MESSAGES))
    frames = Frames[Answer](Answer)
    found = [m for at in range(0, len(data), size) for m in frames.feed(data[at : at + size])]
    assert found == MESSAGES


def test_a_result_that_is_no_json_or_too_large_is_a_failure_that_says_so() -> None:
    """The type, or the size and the limit, stand in the error."""
    assert encode_result({"a": [1]}, 100) == Outcome("succeeded", b'{"a":[1]}')
    assert encode_result(None, 100) == Outcome("succeeded")
    assert "type object" in encode_result(object(), 100).error
    too_large = encode_result("x" * 2000, 100)
    assert too_large.outcome == "failed"
    assert "2,002 bytes" in too_large.error
    assert "100" in too_large.error


def test_an_error_is_one_line_that_can_travel() -> None:
    """Line ends, lone surrogates and broken texts are no obstacle."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(ValueError("a\n b")) == "ValueError: a b"
    assert describe(KeyError()) == "KeyError"
    assert "BrokenError" in describe(BrokenError())
    msgspec.msgpack.encode(describe(ValueError("\ud800")))
    assert len(describe(ValueError("x" * 5000))) == 1000


def test_lines_are_broken_where_they_are_too_long() -> None:
    """A line without an end does not grow for ever, and bytes that are no text are shown."""
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\r\n\xff\n") == ["two", "\\xff"]
    assert sum(map(len, lines.feed(b"x" * 20_000))) == 20_000
    assert lines.feed(b"rest") == []
    assert lines.end() == ["rest"]
    assert lines.end() == []
