"""Which SQL of other people's may run, and in what form.

ClickHouse's own parser decides what a statement is: `formatQuerySingleLine` takes exactly one statement and gives it
back without comments, and `EXPLAIN AST` names what it consists of. What runs is that canonical text. sqlglot names the
tables that a writing statement writes to. This stands on top of `readonly`, which on its own lets the embedded engine
read files (`file()`), write them (INTO OUTFILE) and run a second statement behind inline data.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import sqlglot
from clickhouse_connect.driver.binding import external_bind_re
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlglot import exp

from sinks.record.client import Names
from sinks.record.errors import QueryRefusedError, is_away, shortened

OURS = frozenset({"executions", "attempts", "events", "logs", "tasks", "pipelines", "minutes"})
"""Views of ours among people's own tables: they can be read, never changed."""

READS = re.compile(r"SelectWithUnionQuery|SelectIntersectExceptQuery|Show\w+|Describe\w*|Exists\w+|Explain\b")
WRITES = re.compile(r"InsertQuery|CreateQuery|DropQuery|TruncateQuery|DeleteQuery|AlterQuery")
SAY_SO = "; for a table of your own, say that it writes (writes: true; on the command line --writes)"
CREATES = re.compile(r"CREATE (OR REPLACE )?(TABLE|VIEW) ")
ALTERS = frozenset(
    {"DELETE", "UPDATE", "ADD_COLUMN", "DROP_COLUMN", "MODIFY_COLUMN", "RENAME_COLUMN", "COMMENT_COLUMN"}
)
ENGINES = re.compile(r"[A-Za-z]*MergeTree|Memory|Log|TinyLog|StripeLog|Null")
SOURCES = frozenset(
    {
        *("format", "generaterandom", "generateseries", "generate_series", "merge", "null", "numbers", "numbers_mt"),
        *("primes", "values", "view", "zeros", "zeros_mt"),
    }
)
"""Table functions that reach nothing but their arguments and our tables."""

CLOSED = re.compile(
    r"file|filesystem\w*|ai[A-Z]\w*|AI[A-Z]\w*|sleep\w*|getMacro|getServerSetting|catboost\w*|generateSerialID"
)
"""Functions that reach files, other machines or the server's set-up, or that only waste time."""

QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"")
OUTSIDE = re.compile(r"\b(INTO OUTFILE|FROM INFILE|disk =|storage_policy =|SQL SECURITY|DEFINER)", re.IGNORECASE)
INLINE = re.compile(r" FORMAT Values$")
ALTER = re.compile(r"^(ALTER TABLE .*?) \(.*", re.DOTALL)
"""What an ALTER does stands in parentheses that sqlglot does not know; only its target is asked of it."""

LITERALS = (exp.Literal, exp.Neg, exp.Null, exp.Boolean, exp.Array, exp.Tuple)


def check(client: Client, names: Names, sql: str, parameters: Mapping[str, Any], *, writes: bool) -> str:
    """The statement in the form in which it may run. Raises QueryRefusedError, which says why it may not."""
    text = _canonical(client, sql)
    if needless := sorted(set(parameters) - set(bound(text, parameters))):
        raise QueryRefusedError(f"the statement has no place for {needless[0]!r}: write {{{needless[0]}:String}} there")
    nodes = _nodes(client, text, parameters)
    kind = nodes[0].split()[0]
    if not READS.fullmatch(kind) and not (writes and WRITES.fullmatch(kind)):
        must_be_said = SAY_SO if WRITES.fullmatch(kind) else ""
        raise QueryRefusedError(f"{_verb(text)} is not allowed here: {_allowed(writes)}{must_be_said}")
    if outside := OUTSIDE.search(QUOTED.sub("''", text)):
        raise QueryRefusedError(f"{outside.group(1)} is not allowed: a statement works on tables only")
    _check_functions(client, nodes)
    _check_settings(nodes)
    if READS.fullmatch(kind):
        return _without_format(text)
    _check_write(names, kind, text, nodes)
    tree = _tree(sql if INLINE.search(text) else ALTER.sub(r"\1 DROP COLUMN x", text))
    _check_targets(names, tree)
    return _with_data(client, tree, text) if INLINE.search(text) else text


def bound(text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a statement has a place for, `{name:Type}`, into which ClickHouse itself puts them.

    With any others clickhouse-connect would put them into the text by `%`, past all that was checked.
    """
    places = {name for name, _ in external_bind_re.findall(text)}
    return {name: value for name, value in parameters.items() if name in places}


def _canonical(client: Client, sql: str) -> str:
    try:
        rows = client.query("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": sql}).result_rows
    except ClickHouseError as error:
        if is_away(error):
            raise
        message = shortened(str(error))
        raise QueryRefusedError(f"this is not one statement of ClickHouse's SQL: {message}") from None
    return str(rows[0][0]).strip()


def _nodes(client: Client, text: str, parameters: Mapping[str, Any]) -> list[str]:
    """The lines of the syntax tree, indented by depth. As they come: EXPLAIN AST takes a FORMAT for the statement's."""
    try:
        tree: bytes = client.raw_query(f"EXPLAIN AST {text}", parameters=bound(text, parameters))
    except ClickHouseError as error:
        if is_away(error):
            raise
        raise QueryRefusedError(f"this statement cannot be read: {shortened(str(error))}") from None
    return tree.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _check_functions(client: Client, nodes: list[str]) -> None:
    named = [n.split()[1] for n in nodes if n.lstrip().startswith(("Function ", "FunctionWithKeyValueArguments "))]
    closed = _table_functions(client) - SOURCES
    for name in named:
        if CLOSED.fullmatch(name) or name.lower() in closed:
            raise QueryRefusedError(f"{name}() is not allowed: it reaches outside the tables")


def _check_settings(nodes: list[str]) -> None:
    """Settings of a statement could lift its limits; those of a table that it makes are the table's own."""
    path: list[str] = []
    for node in nodes:
        name = node.strip()
        path[len(node) - len(node.lstrip()) :] = [name]
        if name == "Set" and not path[-2].startswith(("Storage definition", "Explain")):
            raise QueryRefusedError("leave SETTINGS away: the limits of a statement are not its own")


_known: dict[str, frozenset[str]] = {}


def _table_functions(client: Client) -> frozenset[str]:
    version = str(client.server_version)
    if version not in _known:
        rows = client.query("SELECT lower(name) FROM system.table_functions").result_rows
        _known[version] = frozenset(str(r[0]) for r in rows)
    return _known[version]


def _verb(text: str) -> str:
    return text.partition(" ")[0].upper()


def _allowed(writes: bool) -> str:  # noqa: FBT001  (a yes or no of the caller's)
    reads = "SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN read"
    return (
        f"{reads}; INSERT, CREATE, DROP, TRUNCATE, DELETE and ALTER write" if writes else f"{reads}, nothing else does"
    )


def _without_format(text: str) -> str:
    if " FORMAT " in QUOTED.sub("''", text):
        raise QueryRefusedError("leave FORMAT away: the rows come back as JSON")
    if text.startswith("EXPLAIN AST "):  # it takes the FORMAT that clickhouse-connect adds for its statement's
        raise QueryRefusedError("EXPLAIN AST has no rows: take EXPLAIN SYNTAX or EXPLAIN QUERY TREE")
    return text


def _check_write(names: Names, kind: str, text: str, nodes: list[str]) -> None:
    bare = QUOTED.sub("''", text)
    if kind == "CreateQuery" and not CREATES.match(bare):
        raise QueryRefusedError("only CREATE TABLE and CREATE VIEW are allowed")
    for line, following in pairwise(nodes):
        if line.strip().startswith("Storage definition") and not ENGINES.fullmatch(following.split()[1]):
            raise QueryRefusedError(f"engine {following.split()[1]} is not allowed: take MergeTree, Memory or Log")
        if line.strip().startswith("AlterCommand ") and line.split()[1] not in ALTERS:
            raise QueryRefusedError(
                f"ALTER may not {line.split()[1].replace('_', ' ')}: it may change columns and rows"
            )
    if names.raw in text or re.search(r"\{\w+:Identifier\}", bare):
        raise QueryRefusedError(f"a statement that writes may neither name {names.raw} nor take names as parameters")


def _tree(text: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(text, dialect="clickhouse")
    except sqlglot.errors.SqlglotError as error:
        raise QueryRefusedError(f"it is not clear what this statement writes to: {str(error)[:200]}") from None
    if len(trees) != 1 or trees[0] is None or isinstance(trees[0], exp.Command):
        raise QueryRefusedError("it is not clear what this statement writes to: write it more simply")
    return trees[0]


def _targets(tree: exp.Expr) -> Iterator[exp.Expr | None]:
    if isinstance(tree, exp.TruncateTable):
        yield from tree.expressions
    elif isinstance(tree, exp.Drop):
        yield from tree.find_all(exp.Table)
    else:
        yield tree.this.this if isinstance(tree.this, exp.Schema) else tree.this


def _check_targets(names: Names, tree: exp.Expr) -> None:
    if isinstance(tree, exp.Drop | exp.Create | exp.Alter) and tree.args.get("kind") not in ("TABLE", "VIEW"):
        raise QueryRefusedError(f"a {tree.args.get('kind')} may not be changed here, only tables and views")
    for target in _targets(tree):
        if not isinstance(target, exp.Table) or not isinstance(target.this, exp.Identifier):
            raise QueryRefusedError("it is not clear what this statement writes to: name a table")
        if target.db not in ("", names.main) or target.catalog:
            raise QueryRefusedError(
                f"tables of your own live in {names.main}: {target.db}.{target.name} may not be written"
            )
        if target.name.lower() in OURS:
            raise QueryRefusedError(f"{target.name} is the record of what happened: it cannot be written")


def _with_data(client: Client, tree: exp.Expr, text: str) -> str:
    """An INSERT with inline rows, written anew from its tree: only plain values, and nothing behind them."""
    values = tree.expression
    if not isinstance(values, exp.Values):
        raise QueryRefusedError("write inline rows as VALUES (1, 'a'), (2, 'b')")
    for node in values.find_all(exp.Expr):
        if node is not values and not isinstance(node, LITERALS):
            raise QueryRefusedError("inline rows hold plain values only: use INSERT ... SELECT for anything else")
    whole = tree.sql(dialect="clickhouse")
    if _canonical(client, whole) != text:
        raise QueryRefusedError("these inline rows cannot be read: use INSERT ... SELECT ... FROM values(...)")
    return whole
