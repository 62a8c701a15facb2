"""ClickHouse's HTTP interface before the real engine, as a process of its own: `clickhouse_http.py FOLDER PORT`.

Real: the engine, which is chDB. It parses, runs, stores, limits and refuses; numbers and words of its errors go out as
they are. Each request gets a session of its own, as one without a session_id does on a server.

Ours: this HTTP handler, written after ClickHouse's documentation of the interface and what clickhouse-connect sends. So
what is tested over it is our side: what is sent, with which settings, and what is made of answers and errors. It proves
nothing of a real server's own handler. In particular it

- knows one user, and neither roles, profiles nor quotas: the embedded engine has none of them;
- answers when a query has ended, as with `wait_end_of_query`: no progress headers, no errors in the middle of a body;
- ignores `client_protocol_version`, as some proxies do; refuses sessions, external tables and TLS;
- gives codes the few HTTP statuses of `STATUS`, and 500 for all others;
- reads data behind `INSERT ... FORMAT x` and a line's end from a file, so that the engine's words about it name a file.

It ends when its standard input does, so that it does not outlive whoever started it, or by a signal.
"""

import gzip
import json
import os
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import uuid4

import chdb
import lz4.frame
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

USER, PASSWORD = "headrace", "a secret/#?"
FIELD_BYTES = 128 * 1024
"""http_max_field_value_size: a form's field holds no more."""

STATUS = {
    **dict.fromkeys((46, 47, 60, 81), 404),  # an unknown function, column, table, database
    **dict.fromkeys((6, 27, 53, 62, 72), 400),  # what cannot be parsed
    **dict.fromkeys((192, 193, 516), 403),  # nobody with this name and password
    159: 408,  # too slow
    209: 503,  # a socket that timed out
}
OWN = re.compile(r"param_.*|query|database|default_format|query_id|wait_end_of_query|client_protocol_version")
"""URL parameters that are no settings."""

INSERT = re.compile(rb"(\s*INSERT\s+INTO\s[^\n]*?)\s+FORMAT\s+(\w+)\s*\n", re.IGNORECASE)
PACK: dict[str, Callable[[bytes], bytes]] = {"lz4": lz4.frame.compress, "gzip": gzip.compress}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"lz4": lz4.frame.decompress, "gzip": gzip.decompress}


class RefusedError(Exception):
    """An error of the handler, in the form of the engine's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, taken apart."""

    sql: bytes
    values: Mapping[str, str]
    read_only: bool

    @property
    def settings(self) -> dict[str, str]:
        """What the engine is set to while it runs this: a GET may change no data."""
        found = {name: value for name, value in self.values.items() if not OWN.fullmatch(name)}
        return {"readonly": "2", **found} if self.read_only else found

    @property
    def parameters(self) -> dict[str, str]:
        """Values for {name:Type}: they come escaped as in TSV, which the engine undoes."""
        return {name[6:]: value for name, value in self.values.items() if name.startswith("param_")}


def quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def run(folder: str, asked: Asked) -> Any:
    """The engine's result, in a session that nobody else sees."""
    session = chdb.connect(folder)
    try:
        if database := asked.values.get("database"):
            session.query(f"USE `{database}`")
        if settings := ", ".join(f"{name} = {quoted(value)}" for name, value in asked.settings.items()):
            session.query(f"SET {settings}")
        if data := INSERT.match(asked.sql):
            return insert(session, *data.groups(), asked.sql[data.end() :])
        form = asked.values.get("default_format", "TabSeparated")
        return session.query(asked.sql.decode(), form, params=asked.parameters)
    finally:
        session.close()


def insert(session: Any, into: bytes, form: bytes, data: bytes) -> Any:
    """Rows behind their statement."""
    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return session.query(f"{into.decode()} FROM INFILE {quoted(file.name)} FORMAT {form.decode()}")


async def taken_apart(request: Request) -> Asked:
    """The statement from the URL, a form's field or the body, and behind it the rest of the body."""
    values = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if "session_id" in values:
        raise RefusedError(48, "this handler has no sessions. (NOT_IMPLEMENTED)")
    if kind.startswith("multipart/form-data"):
        async with request.form(max_part_size=2**24) as form:
            fields = {name: str(field) for name, field in form.items()}
        if too_long := [name for name, field in fields.items() if len(field.encode()) > FIELD_BYTES]:
            raise RefusedError(1000, f"Poco::Exception: HTML Form Exception: Field value too long: {too_long}")
        return Asked(fields.pop("query", "").encode(), values | fields, read_only=False)
    body = UNPACK.get(request.headers.get("content-encoding", ""), bytes)(await request.body())
    sql = b"\n".join(part for part in (values.get("query", "").encode(), body) if part)
    return Asked(sql, values, read_only=request.method == "GET")


def admitted(request: Request) -> None:
    """Raise RefusedError where user and password are not the right ones."""
    if request.headers.get("authorization") != "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode():
        raise RefusedError(516, "Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)")


def rows(request: Request, result: Any, headers: dict[str, str]) -> Response:
    """What came out, packed as was asked."""
    summary = {
        "read_rows": result.rows_read(),
        "read_bytes": result.bytes_read(),
        "written_rows": result.rows_written(),
    }
    headers["X-ClickHouse-Summary"] = json.dumps({name: str(value) for name, value in summary.items()})
    body = bytes(result.bytes() or b"")
    wanted = [name.strip() for name in request.headers.get("accept-encoding", "").split(",")]
    method = next((name for name in PACK if name in wanted), None)
    if method and request.query_params.get("enable_http_compression") == "1":
        headers["Content-Encoding"], body = method, PACK[method](body)
    return Response(body, headers=headers, media_type="application/octet-stream")


def failure(error: Exception, headers: dict[str, str]) -> Response:
    """The engine's words, and their number in a header."""
    found = re.search(r"Code: (\d+)\. ", str(error))
    code = int(found.group(1)) if found else 1002
    headers["X-ClickHouse-Exception-Code"] = str(code)
    return PlainTextResponse(
        f"{error} (version {chdb.engine_version} (official build))\n", STATUS.get(code, 500), headers
    )


def application(folder: str, zone: str) -> Starlette:
    """All routes."""

    async def answer(request: Request) -> Response:
        headers = {
            "X-ClickHouse-Query-Id": request.query_params.get("query_id", str(uuid4())),
            "X-ClickHouse-Timezone": zone,
        }
        try:
            admitted(request)
            result = await run_in_threadpool(run, folder, await taken_apart(request))
        except Exception as error:  # noqa: BLE001  (whatever it was, a server says it; chDB has several classes for it)
            return failure(error, headers)
        return rows(request, result, headers)

    async def ping(_: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    return Starlette(routes=[Route("/ping", ping), Route("/", answer, methods=["GET", "POST"])])


def with_its_parent() -> None:
    """End when whoever started this has ended."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    engine = chdb.connect(sys.argv[1])
    threading.Thread(target=with_its_parent, daemon=True).start()
    zone = engine.query("SELECT timezone()", "TSVRaw").data().strip()
    uvicorn.run(application(sys.argv[1], zone), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
