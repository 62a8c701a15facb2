"""People's own SQL on the real engine: what may run, what may not, and that what may not has no effect."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sinks.record.client import Names
from sinks.record.errors import QueryFailedError, QueryRefusedError
from sinks.record.history import History

READS = [
    "SELECT count() FROM executions",
    "with a as (select 1 as x) select x from a",
    "SELECT state, count() FROM {main}.executions GROUP BY state -- a comment; with a semicolon",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 'INTO OUTFILE', 'file(1)', \"number\" FROM numbers(2)",
    "SELECT format('{{}}-{{}}', 1, 2), quantile(0.9)(number) FROM numbers(10)",
    "SHOW TABLES",
    "SHOW CREATE TABLE executions",
    "DESCRIBE TABLE executions",
    "EXISTS TABLE executions",
    "EXPLAIN SELECT * FROM executions",
    "EXPLAIN indexes = 1 SELECT * FROM executions",
    "SELECT '{long}'",
]

HOSTILE = [
    "INSERT INTO {raw}.executions (task) VALUES ('x')",
    "DROP TABLE {raw}.executions",
    "DROP VIEW executions",
    "TRUNCATE TABLE {raw}.events",
    "ALTER TABLE {raw}.events DELETE WHERE 1",
    "DELETE FROM {raw}.events WHERE 1",
    "CREATE TABLE mine (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a Int8)",
    "RENAME TABLE {raw}.events TO {raw}.gone",
    "SELECT 1; DROP TABLE {raw}.events",
    "SELECT 1 /* */; /* */ DROP TABLE {raw}.events",
    "SELECT file('/etc/passwd')",
    "SELECT FILE('/etc/passwd')",
    "SELECT x FROM (SELECT file('/etc/passwd') AS x)",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "DESCRIBE TABLE file('/etc/passwd', 'LineAsString')",
    "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/x')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('{home}/x.db', 't')",
    "SELECT * FROM Python(history)",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT aiGenerate('x')",
    "SELECT sleep(3)",
    "SELECT 1 INTO OUTFILE '{home}/out.csv'",
    "SELECT 1 INTO OUTFILE '{home}/out.csv' TRUNCATE FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{home}/out.csv'",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 FORMAT JSON",
    "EXPLAIN AST SELECT 1",
    "SELECT 1 /*",
    "SET readonly = 0",
    "USE system",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM DROP MARK CACHE",
    "OPTIMIZE TABLE {raw}.executions",
    "ATTACH TABLE x",
    "DETACH TABLE {raw}.executions",
    "CREATE USER eve",
    "GRANT ALL ON *.* TO default",
    "CREATE FUNCTION f AS x -> x",
    "BACKUP TABLE {raw}.events TO File('{home}/backup')",
    "EXCHANGE TABLES {raw}.events AND {raw}.attempts",
    "",
    "not sql at all",
]

WRITES_REFUSED = [
    "INSERT INTO executions SELECT * FROM executions",
    "INSERT INTO {main}.executions SELECT * FROM executions",
    "INSERT INTO `{raw}`.`executions` (task) SELECT 'x'",
    "INSERT INTO mine VALUES (1); DROP TABLE {raw}.events",
    "INSERT INTO mine VALUES (file('/etc/passwd'))",
    'INSERT INTO mine FORMAT JSONEachRow {{"a": 1}}',
    "INSERT INTO mine FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO mine SELECT file('/etc/passwd')",
    "INSERT INTO mine SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "INSERT INTO FUNCTION file('{home}/out.csv') SELECT 1",
    "INSERT INTO TABLE FUNCTION file('{home}/out.csv', 'CSV', 'a Int8') SELECT 1",
    "CREATE TABLE executions (a Int8) ENGINE = Memory",
    "CREATE OR REPLACE TABLE tasks (a Int8) ENGINE = Memory",
    "CREATE OR REPLACE VIEW events AS SELECT 1",
    "CREATE TABLE f (a String) ENGINE = File(CSV, '{home}/out.csv')",
    "CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:1/')",
    "CREATE TABLE f (a String) ENGINE = Buffer('{raw}', 'executions', 1, 1, 1, 1, 1, 1, 1)",
    "CREATE TABLE f (a String) ENGINE = Merge('{raw}', '.*')",
    "CREATE TABLE f (a String) ENGINE = Executable('id', TSV)",
    "CREATE TABLE f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '{home}/d/')",
    "CREATE MATERIALIZED VIEW v TO {raw}.executions AS SELECT 1",
    "CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT 1",
    "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(FILE(path 'x' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE DATABASE d",
    "CREATE TABLE system.x (a Int8) ENGINE = Memory",
    "DROP TABLE executions",
    "DROP TABLE mine, {raw}.executions",
    "DROP DATABASE {main}",
    "DROP TABLE {{t:Identifier}}",
    "TRUNCATE TABLE {main}.tasks",
    "TRUNCATE ALL TABLES FROM {main}",
    "ALTER TABLE executions COMMENT COLUMN state 'x'",
    "ALTER TABLE mine MOVE PARTITION 1 TO TABLE {main}.executions",
    "ALTER TABLE mine ATTACH PARTITION 1 FROM {raw}.executions",
    "ALTER TABLE mine FETCH PARTITION 1 FROM '/x'",
    "ALTER TABLE mine MODIFY SETTING storage_policy = 'x'",
    "DELETE FROM tasks WHERE 1",
    "RENAME TABLE mine TO executions",
    "INSERT INTO mine SETTINGS max_memory_usage = 0 SELECT 'x'",
    "INSERT INTO mine SETTINGS max_memory_usage = 0 VALUES ('x')",
    "INSERT INTO mine SELECT * FROM (SELECT 'x' SETTINGS max_execution_time = 0)",
    "CREATE TABLE more ENGINE = Memory AS SELECT 1 AS a SETTINGS max_bytes_to_read = 0",
    "CREATE VIEW more AS SELECT 1 AS a SETTINGS max_memory_usage = 0",
    "DELETE FROM mine WHERE 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SYSTEM STOP MERGES",
    "SET max_execution_time = 0",
]

EFFECTS = (
    "SELECT database, name, total_rows FROM system.tables WHERE database IN ('{main}', '{raw}', 'default') "
    "AND name != 'mine' ORDER BY ALL"
)


def filled(store: Any, sql: str) -> str:
    """A statement with the names of this history in it."""
    names = Names.under(store.settings.namespace)
    return sql.format(main=names.main, raw=names.raw, home=store.settings.home, long="long " * 10_000)


@pytest.fixture
async def history(store: Any, play: Any) -> AsyncIterator[History]:
    """A history that holds one execution."""
    store.take(play.whole("p.a"))
    history = History(store.settings)
    yield history
    await history.close()


async def test_reading_statements_run(store: Any, history: History) -> None:
    """What people ask every day gets an answer."""
    for statement in READS:
        answer = await history.sql(filled(store, statement))
        assert answer.rows, statement


async def test_hostile_statements_are_refused_without_effect(store: Any, history: History) -> None:
    """Read-only means that nothing is written, nothing outside is read and no limit is lifted."""
    await history.sql("CREATE TABLE mine (a String) ENGINE = MergeTree ORDER BY a", writes=True)
    await _all_refused(store, history, HOSTILE, writes=False)


async def test_statements_that_write_cannot_touch_what_is_ours(store: Any, history: History) -> None:
    """A statement that may write changes people's own tables and nothing else."""
    await history.sql("CREATE TABLE mine (a String) ENGINE = MergeTree ORDER BY a", writes=True)
    await _all_refused(store, history, WRITES_REFUSED, writes=True)


async def _all_refused(store: Any, history: History, statements: list[str], *, writes: bool) -> None:
    before, files = store.ask(EFFECTS), sorted(store.settings.home.iterdir())
    for statement in statements:
        parameters = {"t": "executions"} if "{t:" in statement else {}
        with pytest.raises((QueryRefusedError, QueryFailedError)) as refusal:
            await history.sql(filled(store, statement), parameters, writes=writes, timeout=5)
        assert len(str(refusal.value)) > 15, statement
    assert store.ask(EFFECTS) == before
    assert sorted(store.settings.home.iterdir()) == files
    assert store.ask("SELECT count() FROM {main}.mine") == [(0,)]
    assert (await history.sql("SELECT currentDatabase()")).rows == ((Names.under(store.settings.namespace).main,),)


async def test_people_have_tables_of_their_own(history: History) -> None:
    """Create, fill, change, read and drop: the whole life of a report's table."""
    for statement in (
        "CREATE TABLE IF NOT EXISTS weather (day Date, hot Float64 COMMENT 'degrees') ENGINE = MergeTree ORDER BY day",
        "INSERT INTO weather VALUES ('2020-01-01', 1.5), ('2020-01-02', -2), ('2020-01-03', NULL)",
        "INSERT INTO weather (day, hot) SELECT toDate('2021-01-01'), count() FROM executions",
        "ALTER TABLE weather ADD COLUMN note String",
        "CREATE TABLE IF NOT EXISTS cold (day Date) ENGINE = MergeTree ORDER BY day SETTINGS index_granularity = 100",
        "DROP TABLE cold",
        "DELETE FROM weather WHERE hot < 0",
        "CREATE OR REPLACE VIEW hottest AS SELECT max(hot) AS most FROM weather",
    ):
        answer = await history.sql(statement, writes=True)
        assert answer.rows == (), statement
    assert (await history.sql("SELECT day, hot, note FROM weather ORDER BY day")).rows == (
        ("2020-01-01", 1.5, ""),
        ("2020-01-03", 0.0, ""),
        ("2021-01-01", 1.0, ""),
    )
    assert (await history.sql("SELECT most FROM hottest")).rows == ((1.5,),)
    await history.sql("DROP TABLE weather", writes=True)


async def test_text_stays_text(history: History) -> None:
    """Quotes, comment signs and semicolons inside a value are only characters."""
    await history.sql("CREATE TABLE words (w String) ENGINE = MergeTree ORDER BY w", writes=True)
    word = "it''s; -- /* */ DROP TABLE words"
    await history.sql("INSERT INTO words VALUES ('" + word + "')", writes=True)  # noqa: S608  (that is the test)
    asked = await history.sql("SELECT w FROM words WHERE w = {word:String}", {"word": word.replace("''", "'")})
    assert asked.rows == ((word.replace("''", "'"),),)


@pytest.mark.parametrize("writes", [False, True])
async def test_parameters_never_become_sql(store: Any, history: History, writes: bool) -> None:  # noqa: FBT001  (a parameter)
    """The driver's own formatting would put them into the text after all checks; only ClickHouse fills places in."""
    out = store.settings.home / "out"
    attack = f" INTO OUTFILE $${out}$$ -- "
    for statement in ("SELECT '%(x)s'", "SELECT '%(x)s', {y:String}", "SELECT '%(x)s', '{y:String}'"):
        parameters = {"x": attack} if "y" not in statement else {"x": attack, "y": "1"}
        with pytest.raises(QueryRefusedError, match=r"no place for 'x': write \{x:String\}"):
            await history.sql(statement, parameters, writes=writes)
    for statement in ("SELECT '%(x)s', {x:String}", "SELECT '%(x)s{x:String}'"):
        assert (await history.sql(statement, {"x": attack}, writes=writes)).rows[0][0].startswith("%(x)s")
    assert not out.exists()
    assert (await history.sql("SELECT 7 % 3, 'ab' LIKE 'a%'", writes=writes)).rows == ((1, 1),)
    assert (await history.sql("SELECT 7 % {n:Int8}", {"n": 4}, writes=writes)).rows == ((3,),)


async def test_limits_hold(history: History) -> None:
    """Too many rows are cut, and say so; too long a statement is stopped."""
    answer = await history.sql("SELECT number FROM numbers(1000000)", limit_rows=10)
    assert (len(answer.rows), answer.cut) == (10, True)
    with pytest.raises(QueryFailedError, match="Timeout exceeded"):
        await history.sql("SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1", timeout=0.3)


async def test_errors_are_clickhouses_own_and_short(history: History) -> None:
    """A wrong name is answered with what was wrong, without frames and settings."""
    with pytest.raises(QueryFailedError) as error:
        await history.sql("SELECT stat FROM executions")
    assert "stat" in str(error.value)
    assert "DB::Exception" not in str(error.value)
    assert "max_execution_time" not in str(error.value)
    assert str(error.value).endswith("(UNKNOWN_IDENTIFIER)")


async def test_values_become_json(history: History) -> None:
    """Every type has a form in JSON that loses nothing silently."""
    answer = await history.sql(
        "SELECT toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), toUUID('00000000-0000-8000-8000-000000000001'), "
        "18446744073709551615, 1 / 0, NULL, [1, 2], map('a', 1), toDecimal64('1.50', 2), true, ('x', 1), "
        "toDate('2026-01-02')"
    )
    assert answer.rows[0] == (
        "2026-01-02T03:04:05.678000+00:00",
        "00000000-0000-8000-8000-000000000001",
        "18446744073709551615",
        None,
        None,
        [1, 2],
        {"a": 1},
        "1.50",
        True,
        ["x", 1],
        "2026-01-02",
    )
