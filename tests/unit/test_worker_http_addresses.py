import pytest

from streams.worker.kinds.http import _decoded, _forget_secrets, _public, _redirected, httpx

PRIVATE = """
127.0.0.1 127.8.8.8 0.1.2.3 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1
192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 2001::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a00:1:: ::127.0.0.1
""".split()  # noqa: SIM905  (a table of them is read more easily)
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_closed_in_every_form(address: str) -> None:
    """Loopback, private, link-local, shared, documentation, multicast, and IPv4 ones dressed as IPv6."""
    assert not _public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    """Real hosts of the internet."""
    assert _public(address)


def test_redirects_change_the_method_as_browsers_do() -> None:
    """A 307 repeats the request, a 303 asks anew, a HEAD stays one."""
    assert _redirected("POST", 307, b"x") == ("POST", b"x")
    assert _redirected("POST", 302, b"x") == ("GET", None)
    assert _redirected("PUT", 303, b"x") == ("GET", None)
    assert _redirected("HEAD", 303, None) == ("HEAD", None)
    assert _redirected("GET", 301, None) == ("GET", None)


def test_credentials_stay_with_the_host_they_were_meant_for() -> None:
    """Another host, port or scheme gets none."""
    for after, kept in (("http://a/2", True), ("http://b/", False), ("https://a/", False), ("http://a:81/", False)):
        headers = httpx.Headers({"Authorization": "x", "Cookie": "y", "Accept": "z"})
        _forget_secrets(headers, "http://a/1", after)
        assert ("authorization" in headers) == ("cookie" in headers) == kept
        assert "accept" in headers


@pytest.mark.parametrize("charset", ["utf-8", "nonsense", "hex"])
def test_a_server_may_name_any_charset(charset: str) -> None:
    """One that does not exist, or is none of text, is read as UTF-8."""
    assert _decoded("grün".encode(), charset) == "grün"
