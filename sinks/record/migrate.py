"""The schema, step by step: numbered .sql files, each applied once and in order.

A file that was applied is never edited: a new one is added. Statements can be repeated (IF NOT EXISTS, OR REPLACE), so
that a migration which was interrupted is simply run again. In them, {main} and {raw} stand for the two databases and
{days} for how long history is kept.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from clickhouse_connect.driver.client import Client

from sinks.record.client import Names

EXPIRING = ("executions", "attempts", "events", "logs", "minutes")
"""Tables with a TTL."""


class SchemaMismatchError(Exception):
    """The tables in ClickHouse are not those that this program knows how to bring up to date."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, its statements."""

    version: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        """Tells whether the file was edited after it was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Statements without comment lines."""
        code = re.sub(r"^\s*--.*$", "", self.text, flags=re.MULTILINE)
        return (s for part in re.split(r";\s*$", code, flags=re.MULTILINE) if (s := part.strip()))


def migrations() -> list[Migration]:
    """All files of the folder `migrations`, in order."""
    found = (f for f in files("sinks.record").joinpath("migrations").iterdir() if f.name.endswith(".sql"))
    return [Migration(int(f.name[:4]), f.name, f.read_text()) for f in sorted(found, key=lambda f: f.name)]


def migrate(client: Client, names: Names, history_days: int) -> list[int]:
    """Bring the tables up to date; returns the numbers that were applied now (none: nothing was to be done).

    Raises SchemaMismatchError where ClickHouse is ahead of this program, or an applied file was edited.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {names.raw}")
    client.command(f"CREATE DATABASE IF NOT EXISTS {names.main}")
    client.command(
        f"CREATE TABLE IF NOT EXISTS {names.raw}.schema_version (version UInt32 COMMENT 'Number of the migration.', "
        "name String COMMENT 'Its file.', digest String COMMENT 'SHA-256 of the file.', "
        "at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied.') "
        "ENGINE = ReplacingMergeTree ORDER BY version COMMENT 'Migrations that were applied.'"
    )
    todo = _outstanding(client, names)
    for migration in todo:
        _apply(client, names, migration, history_days)
    if todo:
        _copy_comments(client, names)
    _keep_for(client, names, history_days)
    return [m.version for m in todo]


def _outstanding(client: Client, names: Names) -> list[Migration]:
    rows = client.query(names.fill("SELECT version, digest FROM {raw}.schema_version FINAL")).result_rows
    applied = dict(rows)
    known = migrations()
    if ahead := sorted(set(applied) - {m.version for m in known}):
        raise SchemaMismatchError(
            f"ClickHouse has schema {ahead[-1]}, this program knows {known[-1].version}: update it"
        )
    for migration in known:
        if applied.get(migration.version, migration.digest) != migration.digest:
            raise SchemaMismatchError(f"{migration.name} was edited after it was applied: add a new file instead")
    return [m for m in known if m.version not in applied]


def _apply(client: Client, names: Names, migration: Migration, history_days: int) -> None:
    for statement in migration.statements():
        client.command(names.fill(statement).replace("{days}", str(history_days)))
    client.command(
        names.fill(
            "INSERT INTO {raw}.schema_version (version, name, digest) "
            "SELECT {version:UInt32}, {name:String}, {digest:String}"
        ),
        parameters={"version": migration.version, "name": migration.name, "digest": migration.digest},
    )


def _copy_comments(client: Client, names: Names) -> None:
    """A view's columns say what the columns of the same name below it say."""
    rows = client.query(
        "SELECT v.table, groupArray((v.name, r.comment)) FROM system.columns AS v "
        "INNER JOIN system.columns AS r ON v.table = r.table AND v.name = r.name "
        "INNER JOIN system.tables AS t ON t.database = v.database AND t.name = v.table "
        "WHERE t.engine = 'View' AND v.comment = '' AND r.comment != '' "
        "AND v.database = {main:String} AND r.database = {raw:String} GROUP BY v.table",
        parameters={"main": names.main, "raw": names.raw},
    ).result_rows
    for table, columns in rows:
        comments = ", ".join(f"COMMENT COLUMN `{name}` {_quoted(comment)}" for name, comment in columns)
        client.command(f"ALTER TABLE {names.main}.{table} {comments}")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _keep_for(client: Client, names: Names, history_days: int) -> None:
    """Follow a changed `history_days`: rows that are too old then leave with the next merges."""
    rows = client.query(
        "SELECT name, extract(create_table_query, 'TTL (.+) \\\\+ toIntervalDay'), "
        "extract(create_table_query, 'toIntervalDay\\\\((\\\\d+)\\\\)') FROM system.tables "
        "WHERE database = {raw:String} AND name IN {expiring:Array(String)}",
        parameters={"raw": names.raw, "expiring": list(EXPIRING)},
    ).result_rows
    for table, moment, days in rows:
        if days != str(history_days):
            ttl = f"{moment} + toIntervalDay({history_days})"
            client.command(
                f"ALTER TABLE {names.raw}.{table} MODIFY TTL {ttl}", settings={"materialize_ttl_after_modify": 0}
            )
