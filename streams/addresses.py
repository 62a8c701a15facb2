"""Which addresses belong to the public internet: what tasks and notifications may reach."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CLOSED = tuple(map(ipaddress.ip_network, ("::/96", "64:ff9b:1::/48", "fec0::/10")))
"""Not the internet, though Python calls them global: RFC 4291 (IPv4 inside, site-local), RFC 8215 (translated)."""


def is_public(host: str) -> bool:
    """Whether an address, as text, belongs to the public internet; a name is not an address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if embedded := _embedded(address):
            return is_public(str(embedded))
        if any(address in network for network in _CLOSED):
            return False
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is really meant: mapped (RFC 4291), 6to4 (RFC 3056) or translated (RFC 6052)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
