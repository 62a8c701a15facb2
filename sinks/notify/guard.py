"""No notification reaches a private address, whatever its URL or its resolver say, and no answer fills the memory.

Checking a host's name first and connecting later leaves a gap for a resolver that answers differently the second
time. So the check stands where the connection is made: Python's audit event `socket.connect` carries the very address,
and an audit hook that raises stops it. Sources: PEP 578; the table of audit events in Python's documentation.
"""

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests

from streams.addresses import is_public

ANSWER_BYTES = 1_000_000
"""What a service may answer, unpacked."""

_refused: ContextVar[list[str] | None] = ContextVar("refused", default=None)


@contextmanager
def public_only() -> Iterator[list[str]]:
    """Inside the `with`, in this thread, connections to other than public addresses fail; yields those refused."""
    _install()
    refused: list[str] = []
    token = _refused.set(refused)
    try:
        yield refused
    finally:
        _refused.reset(token)


@functools.cache
def _install() -> None:
    sys.addaudithook(_hook)  # for good: Python has no way to take a hook back


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto"):
        return
    refused = _refused.get()
    if refused is None:
        return
    target = args[1]
    host = str(target[0]) if isinstance(target, tuple) and target else str(target)
    if not is_public(host):
        refused.append(host)
        raise PermissionError(f"notifications may not connect to {host}, which is not a public address")


@functools.cache
def bound_answers() -> None:
    """Let requests, with which Apprise asks, give up an answer that is too long: by itself it takes all in."""
    whole = requests.Response.iter_content

    def bounded(self: requests.Response, *arguments: Any, **options: Any) -> Iterator[Any]:
        size = 0
        for piece in whole(self, *arguments, **options):
            size += len(piece)
            if size > ANSWER_BYTES:
                raise requests.RequestException(f"the answer is longer than {ANSWER_BYTES:,} bytes")
            yield piece

    requests.Response.iter_content = bounded  # type: ignore[method-assign]
