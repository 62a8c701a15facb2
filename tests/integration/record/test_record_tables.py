"""The tables, on the real engine: migrations, repeats, refusals, the roll-up."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from msgspec.structs import replace

from sinks.record import migrate as migrating
from sinks.record import rollup
from sinks.record.client import Names, open_client
from sinks.record.migrate import Migration, SchemaMismatchError, migrate, migrations
from sinks.record.rollup import RollUp
from streams.engine.events import LogLine, PipelineCreated, TaskCreated, TaskDeleted
from streams.engine.records import TaskDef

VIEWS = ("executions", "attempts", "events", "logs", "tasks", "pipelines", "minutes")


def test_migrations_run_once(store: Any) -> None:
    """A second start finds nothing to do, and the rows are still there."""
    names = Names.under(store.settings.namespace)
    store.take([TaskCreated(TaskDef("a", "python"), 1)])
    assert migrate(store.client, names, store.settings.history_days) == []
    assert store.ask("SELECT count() FROM {main}.tasks") == [(1,)]
    assert store.ask("SELECT version FROM {raw}.schema_version FINAL ORDER BY version") == [
        (m.version,) for m in migrations()
    ]


def test_a_half_done_migration_is_done_again(store: Any) -> None:
    """A crash between a statement and its note leaves nothing that a second run stumbles over."""
    names = Names.under(store.settings.namespace)
    store.client.command(names.fill("TRUNCATE TABLE {raw}.schema_version"))
    assert migrate(store.client, names, 730) == [m.version for m in migrations()]


def test_a_schema_from_the_future_is_refused(store: Any) -> None:
    """An older program does not write into tables that it does not know."""
    names = Names.under(store.settings.namespace)
    store.client.command(names.fill("INSERT INTO {raw}.schema_version (version, name, digest) VALUES (999, 'x', 'y')"))
    with pytest.raises(SchemaMismatchError, match="has schema 999"):
        migrate(store.client, names, 730)


def test_an_edited_migration_is_refused(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied is never edited: the change would reach new machines only."""
    edited = [replace_text(m) if m.version == 1 else m for m in migrations()]
    monkeypatch.setattr(migrating, "migrations", lambda: edited)
    with pytest.raises(SchemaMismatchError, match="was edited after it was applied"):
        migrate(store.client, Names.under(store.settings.namespace), 730)


def replace_text(migration: Migration) -> Migration:
    """The same migration, with one more line."""
    return type(migration)(migration.version, migration.name, f"{migration.text}\n-- more")


def test_every_column_is_documented(store: Any) -> None:
    """Whoever describes a table or a view reads what each column means."""
    bare = store.ask("SELECT table, name FROM system.columns WHERE database IN ('{main}', '{raw}') AND comment = ''")
    assert bare == []
    documented = store.ask("SELECT DISTINCT table FROM system.columns WHERE database = '{main}'")
    assert {table for (table,) in documented} == set(VIEWS)


@pytest.mark.parametrize("days", [730, 10])
def test_history_leaves_after_its_days(store: Any, days: int) -> None:
    """Tables have a TTL of two years, or of what the settings say now."""
    migrate(store.client, Names.under(store.settings.namespace), days)
    rows = store.ask("SELECT name, create_table_query FROM system.tables WHERE database = '{raw}'")
    expiring = {name for name, query in rows if f"toIntervalDay({days})" in query}
    assert expiring == {"executions", "attempts", "events", "logs", "minutes"}


def everything(store: Any) -> dict[str, list[str]]:
    """All rows of all views."""
    return {view: sorted(map(str, store.ask("SELECT * FROM {main}." + view))) for view in VIEWS}  # noqa: S608  (ours)


def test_a_message_that_comes_twice_changes_nothing(store: Any, play: Any) -> None:
    """The same message again, whole or under a new offset, leaves every view as it was."""
    events = [*play.whole("p.a"), *play.whole("p.b", ends="failed"), TaskCreated(TaskDef("p.a", "python"), play.now)]
    lines = [LogLine(events[0].execution.id, 1, n, play.now + n, "stdout", "", f"line {n}", "w") for n in range(3)]
    store.take(events, offset=5)
    store.take(lines, logs=True)
    before = everything(store)
    for offset in (5, 6, 5):
        store.take(events, offset=offset)
        store.take(lines, logs=True)
    assert everything(store) == before
    assert len(before["executions"]) == 2
    assert len(before["events"]) == 6


def test_i7_a_scheduler_that_decides_anew_leaves_one_terminal_row(store: Any, play: Any) -> None:
    """What a crashed scheduler sent before it could keep it gives way to what its successor decided."""
    first, given, ended = play.whole("p.a", ends="failed")
    store.take([first, given, ended], offset=1)
    RollUp(store.client, Names.under(store.settings.namespace)).count()
    other = play.step(given, "succeeded", 90_000, state="succeeded", finished_at=given.at + 90_000, started_at=given.at)
    store.take([other], offset=2)
    store.take([first, given, ended], offset=1)
    assert store.ask("SELECT state FROM {main}.executions") == [("succeeded",)]
    RollUp(store.client, Names.under(store.settings.namespace)).count()
    assert store.ask("SELECT sum(created), sum(succeeded), sum(failed) FROM {main}.minutes") == [(1, 1, 0)]


def test_i7_what_a_paused_scheduler_sends_late_takes_no_row_back(store: Any, play: Any) -> None:
    """Its steps stand behind newer ones in the log, and in a batch of their own or together with those."""
    steps = play.whole("p.a")
    store.take(steps, offset=1)
    store.take(steps[:-1], offset=2)
    store.take([*play.whole("p.b"), *steps[:-1]], offset=3)
    assert store.ask("SELECT task, state FROM {main}.executions ORDER BY task") == [
        ("p.a", "succeeded"),
        ("p.b", "succeeded"),
    ]
    assert store.ask("SELECT task, state FROM {main}.attempts ORDER BY task") == [
        ("p.a", "succeeded"),
        ("p.b", "succeeded"),
    ]


def test_attempts_tell_each_try_apart(store: Any, play: Any) -> None:
    """A failed attempt keeps its error when the next one succeeds; one that was handed back is none."""
    first, given, _ = play.whole("p.a")
    at = given.at
    broke = play.step(given, "retrying", 9, state="retrying", error="x", finished_at=at + 9, retry_at=at + 50)
    ready = play.step(broke, "ready", 41, state="waiting", ready_at=at + 50, dispatched_at=0, finished_at=0)
    again = play.step(ready, "assigned", 5, state="dispatched", attempt=2, dispatched_at=at + 55)
    back = play.step(again, "returned", 1, state="waiting", dispatched_at=0, ready_at=at + 56, handed_back=1)
    third = play.step(back, "assigned", 1, state="dispatched", attempt=3, dispatched_at=at + 57)
    done = play.step(third, "succeeded", 9, state="succeeded", started_at=at + 58, finished_at=at + 66, error="")
    store.take([first, given])
    store.take([broke, ready, again])
    store.take([back])
    asked = "SELECT attempt, state, error, waited_ms, ran_ms FROM {main}.attempts ORDER BY attempt"
    assert store.ask(asked) == [(1, "failed", "x", None, None)]
    store.take([third, done])
    assert store.ask(asked) == [(1, "failed", "x", None, None), (2, "succeeded", "", 2, 8)]
    assert store.ask("SELECT attempt FROM {main}.executions") == [(2,)]
    steps = store.ask("SELECT what, attempt FROM {main}.events WHERE what IN ('assigned', 'returned') ORDER BY at")
    assert steps == [("assigned", 1), ("assigned", 2), ("returned", 2), ("assigned", 2)]


def test_a_cancel_between_attempts_leaves_the_last_one_as_it_was(store: Any, play: Any) -> None:
    """Who is cancelled while the next attempt is still to come has failed once, not been stopped."""
    first, given, _ = play.whole("p.a")
    at = given.at
    broke = play.step(given, "retrying", 9, state="retrying", error="x", finished_at=at + 9, retry_at=at + 5000)
    gone = play.step(broke, "cancelled", 20, state="cancelled", finished_at=at + 29)
    store.take([first, given, broke, gone])
    assert store.ask("SELECT attempt, state, error FROM {main}.attempts") == [(1, "failed", "x")]
    assert store.ask("SELECT state FROM {main}.executions") == [("cancelled",)]


@pytest.mark.parametrize("wrong", [{"priority": -3}, {"id": b"short"}, {"max_latency": -1}], ids=str)
def test_a_value_that_cannot_be_stored_is_a_dead_letter(store: Any, play: Any, wrong: dict[str, Any]) -> None:
    """Its message is refused whole and says why; the others that came with it are recorded."""
    bad = play.created("p.bad")
    bad = replace(bad, execution=replace(bad.execution, **wrong))
    letters = store.take_together(play.whole("p.a"), [play.created("p.beside"), bad], play.whole("p.b"))
    (value,) = wrong.values()
    assert [letter.offset for letter in letters] == [store.offset - 1]
    assert (value.hex() if isinstance(value, bytes) else f"{value} does not fit") in letters[0].reason
    assert store.ask("SELECT task, state FROM {main}.executions ORDER BY task") == [
        ("p.a", "succeeded"),
        ("p.b", "succeeded"),
    ]
    assert store.ask("SELECT DISTINCT task FROM {main}.events ORDER BY task") == [("p.a",), ("p.b",)]


def test_deleted_tasks_say_so(store: Any) -> None:
    """A deleted task keeps its definition, and is there again when it is created again."""
    store.take([TaskCreated(TaskDef("p.a", "python", description="first"), 1000), TaskDeleted("p.a", 2000)])
    assert store.ask("SELECT description, deleted FROM {main}.tasks") == [("first", True)]
    store.take([TaskCreated(TaskDef("p.a", "python", description="second"), 3000)])
    assert store.ask("SELECT description, deleted FROM {main}.tasks") == [("second", False)]


def test_a_pipeline_is_replaced(store: Any) -> None:
    """Of a pipeline the newest definition counts."""
    store.take([PipelineCreated("p", ("p.a", "p.b"), 1000), PipelineCreated("p", ("p.a",), 2000, "less")])
    assert store.ask("SELECT pipeline, tasks, description FROM {main}.pipelines") == [("p", ["p.a"], "less")]


def test_the_roll_up_equals_a_recount(store: Any, play: Any) -> None:
    """Counts by minute are those of the executions, also when a late event changes a minute that was counted."""
    roll_up = RollUp(store.client, Names.under(store.settings.namespace))
    for n in range(20):
        ends = ("succeeded", "failed", "lost", "cancelled")[n % 4]
        store.take(play.whole(f"p.t{n}", ends=ends, created_at=play.now - n * 45_000, late=n % 5 == 0))
        if n in (3, 11):
            roll_up.count()
    roll_up.count()
    recount = """
        SELECT toStartOfMinute(assumeNotNull(finished_at)) AS minute, countIf(state = 'succeeded'),
            countIf(state = 'failed'), countIf(state = 'lost'), countIf(state = 'cancelled'), countIf(late)
        FROM {main}.executions GROUP BY minute ORDER BY minute"""
    counted = "SELECT minute, succeeded, failed, lost, cancelled, late FROM {main}.minutes ORDER BY minute"
    ended = "(succeeded + failed + lost + cancelled) > 0"
    assert store.ask(counted.replace("ORDER", f"WHERE {ended} ORDER")) == store.ask(recount)
    assert store.ask("SELECT sum(created) FROM {main}.minutes") == [(20,)]
    assert roll_up.count() > 0, "rows of the last seconds are counted once more"


class Died(BaseException):
    """A process is no more."""


class DiesInTheSecond:
    """A client whose process dies before its second command."""

    def __init__(self, client: Client) -> None:
        self.query = client.query
        self._commands = iter([client.command])

    def command(self, *words: Any, **more: Any) -> Any:
        """Do the first one."""
        for do in self._commands:
            return do(*words, **more)
        raise Died


def test_a_count_that_dies_half_way_is_made_again(store: Any, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many minutes some are counted: whoever goes on counts the others, and none by what it was before."""
    monkeypatch.setattr(rollup, "CHUNK", 1)
    monkeypatch.setattr(rollup, "MARGIN", timedelta(0))
    names = Names.under(store.settings.namespace)
    long_ago = play.now - 3_600_000
    for round_ in (1, 2):
        store.take([play.created(f"p.t{n}-{round_}", created_at=long_ago + n * 60_000) for n in range(3)])
        with pytest.raises(Died):
            RollUp(DiesInTheSecond(store.client), names).count()
        RollUp(store.client, names).count()
        assert store.ask("SELECT created FROM {main}.minutes ORDER BY minute") == [(round_,)] * 3


def test_times_and_durations_are_exact(store: Any, play: Any) -> None:
    """Milliseconds survive; what has not happened is NULL, not 1970."""
    store.take([*play.whole("p.a"), play.created("p.b", max_latency=250)])
    done, waits = store.ask(
        "SELECT created_at, waited_ms, ran_ms, max_latency_ms, started_at FROM {main}.executions ORDER BY task"
    )
    assert done[:4] == (datetime.fromtimestamp(play.now / 1000, UTC), 20, 100, None)
    assert waits[1:] == (None, None, 250, None)


@pytest.mark.parametrize("house", ["embedded"], indirect=True)
def test_a_folder_has_one_owner(store: Any) -> None:
    """A second process is told which process has the folder, and what to do."""
    code = (
        "from pathlib import Path; from sinks.record.client import open_client; from streams.settings import Settings;"
        f"open_client(Settings(home=Path({str(store.settings.home)!r})))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "has the ClickHouse folder" in other.stderr
    assert other.returncode != 0
    assert open_client(store.settings).command("SELECT 1") == 1


def test_threads_of_one_process_are_one_owner(tmp_path: Path) -> None:
    """Whoever writes and whoever asks open a new folder at the same time, and taking its lock is slow."""
    code = (
        "import fcntl, sys, time; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path; "
        "from sinks.record.client import open_client; from streams.settings import Settings\n"
        "take = fcntl.flock; fcntl.flock = lambda *lock: (take(*lock), time.sleep(0.2))\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(sum(c.command('SELECT 1') for c in pool.map(open_client, [Settings(home=Path(sys.argv[1]))] * 8)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("8\n", "")
