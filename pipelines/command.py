"""What people type to call Headrace here."""

import os


def command(words: str) -> str:
    """The line to type for `headrace WORDS`, as whoever came by another name (HEADRACE_COMMAND) types it."""
    return f"{os.environ.get('HEADRACE_COMMAND') or 'headrace'} {words}"
