"""Functions that every worker knows."""

import time

from pydantic import JsonValue


def noop(payload: JsonValue) -> None:
    """Do nothing: what an execution costs when its code costs nothing."""


def nap(payload: JsonValue) -> None:
    """Take the payload's `seconds`, and a place at a worker meanwhile."""
    if not isinstance(payload, dict) or not isinstance(seconds := payload.get("seconds"), int | float):
        raise TypeError(f"headrace.nap needs a payload such as {{'seconds': 0.01}}, not {payload!r:.80}")
    time.sleep(seconds)


FUNCTIONS = {"headrace.noop": noop, "headrace.nap": nap}
