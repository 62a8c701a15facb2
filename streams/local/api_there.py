"""Where a command waits for the API: roles start in any order."""

import time
from collections.abc import Callable

from ui.client import ApiUnavailableError, Client

STEP = 0.2
"""Seconds between two looks."""


def api_there(say: Callable[[str], None], within: float = 60.0) -> Client:
    """Return a client of this machine's edge once it answers; that it is waited for is said once.

    Raises ApiUnavailableError after `within` seconds.
    """
    deadline, said = time.monotonic() + within, False
    while True:
        try:
            return _answering()
        except ApiUnavailableError as error:
            if time.monotonic() > deadline:
                raise ApiUnavailableError(f"after {within:g} s of waiting: {error}") from error
            if not said:
                say(f"Waiting up to {within:g} s for the API: {error}")
                said = True
        time.sleep(STEP)


def _answering() -> Client:
    client = Client()
    try:
        client.health()
    except BaseException:
        client.close()
        raise
    return client
