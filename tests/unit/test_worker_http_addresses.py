import pytest

from streams.worker.kinds.http import _decoded, _forget_secrets, _redirected, httpx


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
