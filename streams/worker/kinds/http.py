"""HTTP requests. A name is resolved once, its address checked and pinned; every redirect is checked anew."""

import asyncio
import socket
import zlib
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec

from streams.addresses import is_public
from streams.settings import Settings
from streams.worker.kinds.base import Attempt
from streams.worker.outcomes import KindError, Outcome, encode_result

REDIRECTS = 5
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds between two pieces of an answer; the task's own timeout is for all of it."""

ENVELOPE = 8 * 1024
"""Bytes of the result that are kept for status and headers."""

HEADERS = 4 * 1024
"""Bytes of headers that are returned."""


UNPACKED = ("gzip", "deflate")
"""Encodings of an answer that are understood. httpx would unpack a piece whole, however large it becomes."""

EITHER = 32 + zlib.MAX_WBITS
"""Tells zlib to take either of them."""

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""A connection serves one request: kept ones are found again by address, and the certificate was another name's."""


def _client() -> httpx.AsyncClient:
    """A client that keeps nothing of one task for another: what a server sets in a cookie is forgotten at once."""
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    headers = {"Accept-Encoding": ", ".join(UNPACKED)}
    return httpx.AsyncClient(
        timeout=TIMEOUT, limits=LIMITS, trust_env=False, follow_redirects=False, cookies=none, headers=headers
    )


class HttpKind:
    """Makes requests, each over a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self._private, self._limit = settings.http_private, settings.result_limit
        self._client: httpx.AsyncClient | None = None

    async def run(self, attempt: Attempt) -> Outcome:
        """Make the request; a status that is not expected is a failure."""
        if self._client is None:
            self._client = await asyncio.to_thread(_client)  # reading the certificates takes a while
        call = attempt.call
        try:
            answer = await self._follow(self._client, call, _content(call, attempt))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise KindError(f"{call['method']} {call['url']:.200}: {type(error).__name__}: {error}") from None
        expected = call.get("expect") or range(200, 300)
        if answer["status"] not in expected:
            raise KindError(_unexpected(call, answer))
        return encode_result(answer, self._limit)._replace(cut=bool(answer.get("cut")))

    async def close(self) -> None:
        """Disconnect."""
        if self._client:
            await self._client.aclose()

    async def _follow(self, client: httpx.AsyncClient, call: dict[str, Any], content: bytes | None) -> dict[str, Any]:
        method, url = call.get("method", "GET"), call["url"]
        headers = httpx.Headers(call.get("headers") or {})
        for _ in range(REDIRECTS + 1):
            request = await self._request(client, method, url, headers, content)
            answer = await client.send(request, stream=True)
            try:
                if not answer.has_redirect_location:
                    return await self._taken(answer)
            finally:
                await answer.aclose()
            before, url = url, urljoin(url, answer.headers["location"])
            method, content = _redirected(method, answer.status_code, content)
            _forget_secrets(headers, before, url)
        raise KindError(f"{call['url']:.200} redirects more than {REDIRECTS} times")

    async def _request(
        self, client: httpx.AsyncClient, method: str, url: str, headers: httpx.Headers, content: bytes | None
    ) -> httpx.Request:
        """A request to the address that was checked, for the host that was named."""
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise KindError(f"only http:// and https:// addresses can be requested, not {url:.200}")
        address = await self._resolve(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))
        request = client.build_request(method, parsed.copy_with(host=address), headers=headers, content=content)
        request.headers["Host"] = parsed.netloc.decode("ascii").rpartition("@")[2]
        request.extensions["sni_hostname"] = parsed.raw_host.decode("ascii")
        return request

    async def _resolve(self, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise KindError(f"the name {host!r:.200} cannot be resolved: {error}") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not self._private and (bad := [a for a in addresses if not is_public(a)]):
            named = host if host == bad[0] else f"{host:.200} is at {bad[0]}, which"
            raise KindError(
                f"{named} is private; such addresses are closed to tasks "
                "unless an administrator sets HEADRACE_HTTP_PRIVATE=true"
            )
        return addresses[0]

    async def _taken(self, answer: httpx.Response) -> dict[str, Any]:
        room = max(self._limit - ENVELOPE, 0)
        body, unpack = b"", _unpacker(answer.headers.get("content-encoding", ""))
        async for chunk in answer.aiter_raw():
            body += unpack(chunk, room + 1 - len(body))
            if len(body) > room:
                break
        return _result(answer, body[:room], room, cut=len(body) > room)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Unpacks the pieces of an answer, each to so many bytes at most."""
    if encoding.strip().lower() in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if encoding.strip().lower() not in UNPACKED:
        raise KindError(f"the answer is packed as {encoding!r:.100}, and only {' and '.join(UNPACKED)} are unpacked")
    unpacking = zlib.decompressobj(EITHER)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return unpacking.decompress(chunk, most)
        except zlib.error as error:
            raise KindError(f"the answer is not packed as {encoding!r:.100}, as it says: {error}") from None

    return unpack


def _content(call: dict[str, Any], attempt: Attempt) -> bytes | None:
    """A string as it is, anything else as JSON; none: the payload, for the methods that have a body."""
    body = call.get("body")
    if body is None and call.get("method", "GET") not in ("GET", "HEAD", "OPTIONS"):
        body = attempt.payload
    if body is None:
        return None
    if isinstance(body, str):
        return body.encode()
    call["headers"] = {"content-type": "application/json", **(call.get("headers") or {})}
    return msgspec.json.encode(body)


def _redirected(method: str, status: int, content: bytes | None) -> tuple[str, bytes | None]:
    """What browsers do: 303, and 301 or 302 of a POST, go on as GET (RFC 9110, 15.4)."""
    if status == httpx.codes.SEE_OTHER or (status in (301, 302) and method == "POST"):
        return ("HEAD" if method == "HEAD" else "GET"), None
    return method, content


def _forget_secrets(headers: httpx.Headers, before: str, after: str) -> None:
    """Another host gets no credentials."""
    old, new = httpx.URL(before), httpx.URL(after)
    if (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
        for name in ("authorization", "cookie", "proxy-authorization"):
            headers.pop(name, None)


def _result(answer: httpx.Response, body: bytes, room: int, *, cut: bool) -> dict[str, Any]:
    text = _decoded(body, answer.charset_encoding or "utf-8")
    value: Any = text
    if not cut and "json" in answer.headers.get("content-type", ""):
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError:
            value = text
    if len(msgspec.json.encode(value)) > room:  # escapes make it longer than it came
        value, cut = text[: room // 6], True
    result = {"status": answer.status_code, "headers": _headers(answer.headers), "body": value}
    return {**result, "cut": True} if cut else result


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, errors="replace")
    except LookupError:  # a server may name anything
        return body.decode(errors="replace")


def _headers(headers: httpx.Headers) -> dict[str, str]:
    kept, size = {}, 0
    for name, value in headers.items():
        size += len(msgspec.json.encode({name: value}))
        if size <= HEADERS:
            kept[name] = value
    return kept


def _unexpected(call: dict[str, Any], answer: dict[str, Any]) -> str:
    wanted = ", ".join(map(str, call.get("expect") or ["200-299"]))
    body = answer["body"] if isinstance(answer["body"], str) else msgspec.json.encode(answer["body"]).decode()
    return f"{call.get('method', 'GET')} {call['url']:.200} answered {answer['status']}, not {wanted}: {body[:200]}"
