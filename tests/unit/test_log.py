import io
import logging
import re
import subprocess
import sys

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


@pytest.mark.parametrize(
    ("name", "line", "calmed"),
    [
        ("aiokafka.consumer.fetcher", "Failed fetch offsets from %s: %s", True),
        ("aiokafka.consumer.fetcher", "Failed fetch messages from %s: %s", True),
        ("aiokafka", "Unable connect to node with id %s: %s", True),
        ("aiokafka", "Unable to update metadata from %s", True),
        ("aiokafka.consumer.group_coordinator", "Heartbeat send request failed: %s. Will retry.", True),
        ("aiokafka", 'Unable connect to "%s:%s": %s', False),
        ("aiokafka.producer.sender", "Unexpected error during InitProducerIdRequest: %s", False),
        ("ours", "Failed fetch %s", False),
    ],
)
def test_what_aiokafka_tries_again_is_a_warning(name: str, line: str, calmed: bool) -> None:  # noqa: FBT001  (a parameter)
    """Its other errors, which it may give up after, and everybody else's stay what they are."""
    record = logging.LogRecord(name, logging.ERROR, "f", 1, line, (), None)
    assert calm(record)
    assert (record.levelno == logging.WARNING) is record.msg.endswith(" (aiokafka tries again)") is calmed


def test_lines_of_libraries_look_like_our_own() -> None:
    """In the same file, with the same words for the same levels."""
    code = "import logging; from streams.log import log_to_stderr; log_to_stderr(); logging.getLogger('x').error('so')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert re.fullmatch(r"[-0-9]{10} [:0-9]{8} \[error    \] so\n", said)


def test_a_traceback_shows_no_values() -> None:
    """They may be secrets: a request's headers are values of all that handles it."""
    code = (
        "import structlog; from streams.log import log_to_stderr; log_to_stderr()\n"
        "def handle(secret):\n"
        "    raise ValueError('wrong')\n"
        "try:\n"
        "    handle('hush' + 'hush')\n"
        "except ValueError:\n"
        "    structlog.get_logger().exception('a request failed')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a request failed" in ran.stdout
    assert "ValueError: wrong" in ran.stdout
    assert "hushhush" not in ran.stdout + ran.stderr
