"""Opening ClickHouse: the engine inside this process (chDB) or a server, by the same clickhouse-connect.

chDB's folder has one owner: the process that opens it first. A client runs one call after another, so whoever writes
and whoever asks each open their own; clients of one process share the engine.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.settings import Settings

EMBEDDED = "chdb"
CONNECT_TIMEOUT = 5
"""Seconds until a server that does not answer counts as away."""

SILENCE = 30
"""Seconds without a word after which a server that took a question counts as away; one that works tells its progress
more often."""


class ClickHouseAwayError(Exception):
    """ClickHouse cannot be opened or does not answer; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Names:
    """The two databases of a namespace: views and people's own tables in `main`, what RECORD writes in `raw`."""

    main: str
    raw: str

    @classmethod
    def under(cls, namespace: str) -> "Names":
        """`headrace` gives headrace and headrace_raw; a dash becomes an underscore."""
        main = namespace.replace("-", "_")
        return cls(main, f"{main}_raw")

    def fill(self, sql: str) -> str:
        """Put the databases in the places {main} and {raw} of a statement of ours."""
        return sql.replace("{main}", self.main).replace("{raw}", self.raw)


def folder(settings: Settings) -> Path:
    """Where the embedded engine keeps its data."""
    return settings.home / "clickhouse"


def is_embedded(settings: Settings) -> bool:
    """Whether ClickHouse runs inside this process."""
    return settings.clickhouse == EMBEDDED


def open_client(settings: Settings, **session: Any) -> Client:
    """A client of its own; `session` are ClickHouse settings for all that it does.

    Raises ClickHouseAwayError where the folder has another owner or the server does not answer.
    """
    if is_embedded(settings):
        return _open_embedded(folder(settings), session)
    return _open_server(settings.clickhouse, session)


_owned: dict[Path, int] = {}
"""Lock files of the folders that this process owns, kept open until it ends, however it ends."""

_owning = Lock()
"""Held while a folder's lock is taken: to the system, two threads that each open its file are strangers."""


def _open_embedded(path: Path, session: dict[str, Any]) -> Client:
    path.mkdir(parents=True, exist_ok=True)
    _own(path.resolve())
    try:
        return clickhouse_connect.get_client(interface="chdb", path=str(path), settings=session, tz_mode="aware")
    except (ClickHouseError, RuntimeError) as error:
        raise ClickHouseAwayError(f"the ClickHouse folder {path} does not open: {str(error)[:500]}") from error


def _own(path: Path) -> None:
    """Hold the folder's lock: chDB's own refusal does not say what is wrong."""
    with _owning:
        if path not in _owned:
            _owned[path] = _locked(path)


def _locked(path: Path) -> int:
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(lock, 20).decode() or "unknown"
        os.close(lock)
        raise ClickHouseAwayError(
            f"process {pid} has the ClickHouse folder {path} open: stop it, or ask it by HTTP (it is the edge)"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def _open_server(url: str, session: dict[str, Any]) -> Client:
    try:
        return clickhouse_connect.get_client(
            dsn=url,
            interface=urlsplit(url).scheme,  # a DSN's own is not looked at, and https would go out in the clear
            settings=session,
            tz_mode="aware",
            connect_timeout=CONNECT_TIMEOUT,
            send_receive_timeout=SILENCE,
            autogenerate_session_id=False,
        )
    except ClickHouseError as error:
        where = url.rpartition("@")[2]
        raise ClickHouseAwayError(f"no ClickHouse server answers at {where}: {str(error)[:300]}") from error
