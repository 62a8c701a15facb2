"""What people type to call Headrace here."""

import os

from pipelines.environment import COMMAND

OWN_IN_DEV = frozenset({"up", "doctor", "bench"})
"""Commands that `./dev` has itself."""


def command(words: str) -> str:
    """The line to type for `headrace WORDS`, as whoever came by another name (HEADRACE_COMMAND) types it."""
    name = os.environ.get(COMMAND) or "headrace"
    if words.partition(" ")[0] in OWN_IN_DEV:
        name = name.removesuffix(" headrace")
    return f"{name} {words}"
