import io
import logging

import pytest

from streams.log import EVERY, Seldom, calm


def _said(lines: list[tuple[float, str]]) -> list[str]:
    """What is let through of lines at their times."""
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    said = []
    for at, line in lines:
        now[0] = at
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "%s is away", (line,), None)
        if seldom.filter(record):
            said.append(record.getMessage())
    return said


def test_a_line_is_said_once_in_a_while_with_how_often_it_came() -> None:
    """Others are not held back by it."""
    lines = [(0.0, "x"), (0.1, "x"), (0.2, "y"), (0.3, "x"), (EVERY + 0.1, "x"), (EVERY + 0.2, "x")]
    assert _said(lines) == ["x is away", "y is away", "x is away (2 more of these since)"]


def test_a_line_that_comes_seldom_is_always_said() -> None:
    """Nothing is left out, and nothing is added."""
    assert _said([(0.0, "x"), (EVERY, "x"), (2 * EVERY, "x")]) == ["x is away"] * 3


def test_a_malformed_line_goes_on_to_its_handler(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wrote it is not stopped, and the handler says where it stands."""
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(Seldom())
    handler.handle(logging.LogRecord("a", logging.ERROR, "f", 1, "%d", ("x",), None))
    assert "Logging error" in capsys.readouterr().err


def test_what_aiokafka_tries_again_is_a_warning() -> None:
    """An error of its own that it did not foresee, and everybody else's, stay what they are."""

    def level(name: str, *, foreseen: bool = True) -> str:
        raised = None if foreseen else (ValueError, ValueError(), None)
        record = logging.LogRecord(name, logging.ERROR, "f", 1, "%s", ("x",), raised)
        assert calm(record)
        return f"{record.levelname} {record.getMessage()}"

    assert level("aiokafka.consumer.fetcher") == f"{logging.getLevelName(logging.WARNING)} x (aiokafka tries again)"
    assert level("aiokafka.consumer.fetcher", foreseen=False) == level("ours") == "ERROR x"
