"""Functions that every worker knows."""

from pydantic import JsonValue


def noop(payload: JsonValue) -> None:
    """Do nothing: what an execution costs when its code costs nothing."""


FUNCTIONS = {"headrace.noop": noop}
