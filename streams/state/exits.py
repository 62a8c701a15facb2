"""How a process ends when going on could lose or corrupt state."""

import logging
import os
import sys
from typing import NoReturn

CRASHED = 1
"""Something failed that a new start may mend."""

REFUSED = 5
"""History is missing; a person decides how to go on. A new start alone changes nothing."""

FENCED = 6
"""Another process owns what this one held; a new start joins as a newcomer."""

log = logging.getLogger(__name__)


def stop_process(status: int, sentence: str) -> NoReturn:
    """End the process at once, saying why in the log and on standard error.

    No orderly shutdown: what is committed is durable, and whatever else is in memory must not be written any more.
    """
    log.critical(sentence)
    logging.shutdown()
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(status)
