"""What a role writes to its log beside its own words: of libraries, what matters, and that seldom."""

import logging
import sys
import time
from collections.abc import Callable

import structlog

EVERY = 10.0
"""Seconds in which the same line is written once: a broker that is away is news 80 times a second otherwise."""

KEPT = 1_000
"""Lines that are remembered."""


class Seldom(logging.Filter):
    """Lets a line through, and its repetitions only so often, with how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See the class."""
        try:
            line = record.getMessage()
        except Exception:  # noqa: BLE001  (arguments that do not fit, whatever they raise: the handler reports them)
            return True
        return self._is_news(record, line)

    def _is_news(self, record: logging.LogRecord, line: str) -> bool:
        key, now = (record.name, line), self._clock()
        since, left_out = self._seen.get(key, (now - EVERY, 0))
        if now - since < EVERY:
            self._seen[key] = since, left_out + 1
            return False
        if len(self._seen) >= KEPT:
            self._seen.clear()
        self._seen[key] = now, 0
        if left_out:
            record.msg, record.args = f"{line} ({left_out} more of these since)", ()
        return True


RETRIED = ("Failed fetch ", "Unable connect to node ", "Unable to update metadata ", "Heartbeat send request failed")
"""How aiokafka's errors begin of which it knows itself what to do: it tries again."""


def calm(record: logging.LogRecord) -> bool:
    """What aiokafka calls an error and tries again by itself is a warning. Lets everything through."""
    if (
        record.name.partition(".")[0] == "aiokafka"
        and record.levelno == logging.ERROR
        and record.msg.startswith(RETRIED)
    ):
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg = f"{record.msg} (aiokafka tries again)"
    return True


def log_to_stderr() -> None:
    """Warnings of all, and what our own rooms say of themselves: which partitions are ours, what was rebuilt.

    A traceback names places in the code alone: the values there may be a caller's token, or megabytes.
    """
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback
    for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logging.addLevelName(level, logging.getLevelName(level).lower())  # as structlog has them, in the same file
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)-9s] %(message)s", "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(calm)
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("streams").setLevel(logging.INFO)
    # there Faust's services tell of each of their steps
    logging.getLogger("streams.state.faust_fixes").setLevel(logging.WARNING)
