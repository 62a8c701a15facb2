import pytest

from streams.addresses import is_public

CLOSED = """
127.0.0.1 127.8.8.8 0.0.0.0 0.1.2.3 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1
192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 fec0::1 ff02::1 2001:db8::1 2001::1 2001:0:808:808:0:0:f7f7:f7f7
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::a00:1
64:ff9b:1::808:808 2002:7f00:1:: 2002:a00:1:: ::127.0.0.1 ::8.8.8.8
""".split()  # noqa: SIM905  (a table of them is read more easily)
OPEN = """
1.1.1.1 8.8.8.8 93.184.216.34 2606:4700:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::
""".split()  # noqa: SIM905  (the same)


@pytest.mark.parametrize("address", CLOSED)
def test_private_addresses_are_closed_in_every_form(address: str) -> None:
    """Loopback, private, link-local, shared, documentation, multicast, and IPv4 ones dressed as IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_are_open(address: str) -> None:
    """Real hosts of the internet, also through the translation of a network that has no IPv4."""
    assert is_public(address)


@pytest.mark.parametrize("name", ["localhost", "example.org", ""])
def test_a_name_is_no_address(name: str) -> None:
    """It has to be resolved first."""
    assert not is_public(name)
