"""No notification reaches a private address, whatever its URL, its redirects or its resolver say.

Checking a host's name first and connecting later leaves a gap for a resolver that answers differently the second
time. So the check stands where the connection is made: Python's audit event `socket.connect` carries the very address,
and an audit hook that raises stops it. Sources: PEP 578; the table of audit events in Python's documentation.
"""

import functools
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CLOSED = tuple(map(ipaddress.ip_network, ("::/96", "64:ff9b:1::/48", "fec0::/10")))
"""Not the internet, though Python calls them global: RFC 4291 (IPv4 inside, site-local), RFC 8215 (translated)."""

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


def is_public(host: str) -> bool:
    """Whether an address, as text, belongs to the public internet; a name is not an address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if embedded is None and address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
        if any(address in network for network in _CLOSED):
            return False
    return address.is_global and not address.is_multicast


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
