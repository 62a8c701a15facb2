"""The pipeline file of these runs: its task tells an outside witness when it starts and how it ends."""

import os
import select
import time
from pathlib import Path
from typing import Any

from headrace import task

WITNESS = Path(__file__).with_name("witness")


@task(id="witnessed")
def witnessed(payload: dict[str, Any], context: Any) -> int:
    """Take some seconds; fail as often as asked."""
    _say("start", context)
    select.select([], [], [], payload["seconds"])  # libfaketime does not let Python's own sleep through
    outcome = "failed" if context.attempt <= payload["fails"] else "succeeded"
    _say("end", context, outcome)
    if outcome == "failed":
        raise RuntimeError("as it was asked to")
    return int(context.attempt)


def _say(word: str, context: Any, outcome: str = "") -> None:
    # by the clock that nobody can set: other clocks may be part of the play
    line = f"{word} {context.execution} {context.attempt} {time.monotonic()} {os.getppid()} {outcome}\n"
    file = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())  # one call: lines of several processes do not mix
    os.close(file)
