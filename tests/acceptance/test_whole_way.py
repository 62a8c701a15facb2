"""A task's whole way on real parts: events from any Kafka client, priorities, refusals, and rows in ClickHouse."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaProducer

from pipelines.events import SubmitEvent
from pipelines.ids import execution_id, to_text
from pipelines.model import FunctionTask
from pipelines.views import TERMINAL_STATES, ExecutionView
from tests.apps.whole import Whole, whole
from ui.client import ApiError, Client

pytestmark = pytest.mark.timeout(300)

SLOTS = 2


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Whole, Client]]:
    """All of Headrace, with a small worker that looks ahead as little as it can."""
    with whole(tmp_path_factory.mktemp("whole"), slots=SLOTS, lookahead=0) as (system, client):
        yield system, client


def _ended(client: Client, execution: str, seconds: float = 30) -> ExecutionView:
    return _seen(client, execution, lambda view: view.state in TERMINAL_STATES, seconds)


def _seen(client: Client, execution: str, holds: Callable[[ExecutionView], bool], seconds: float = 30) -> ExecutionView:
    until = time.monotonic() + seconds
    while True:
        try:
            view = client.execution(execution)
        except ApiError:
            view = None
        if view and holds(view):
            return view
        if time.monotonic() > until:
            raise AssertionError(f"{execution} did not come to that: {view}")
        time.sleep(0.1)


def _kcat(system: Whole, *events: object) -> None:
    lines = "\n".join(e if isinstance(e, str) else json.dumps(e) for e in events)
    words = ["kcat", "-b", system.settings.kafka, "-t", f"{system.settings.namespace}.submit", "-P", "-k", "any key"]
    subprocess.run(words, input=lines, text=True, check=True)


def test_an_event_from_kcat_becomes_a_row(up: tuple[Whole, Client]) -> None:
    """Create and execute in one, by a client that knows nothing of us; the row is there by plain SQL."""
    system, client = up
    _kcat(system, {"type": "submit", "task": {"id": "by-kcat", "kind": "function", "function": "witnessed"}})
    view = _ended(client, to_text(execution_id("by-kcat", "")))
    assert (view.state, view.result) == ("succeeded", 1)
    question = "SELECT attempt FROM executions WHERE task = 'by-kcat' AND state = 'succeeded'"
    until = time.monotonic() + 20
    while not (rows := client.sql(question).rows) and time.monotonic() < until:
        time.sleep(0.1)
    assert [tuple(row) for row in rows] == [(1,)]


def test_events_from_kafka_python_create_execute_cancel_retry_finish_and_delete(up: tuple[Whole, Client]) -> None:
    """Every public event by the plain Python client, one a message, in the order of one partition."""
    system, client = up
    producer = KafkaProducer(bootstrap_servers=system.settings.kafka)

    def say(event: dict[str, object]) -> None:
        sent = producer.send(f"{system.settings.namespace}.submit", json.dumps(event).encode(), partition=0)
        sent.get(timeout=10)

    say({"type": "create", "task": {"id": "made", "kind": "external"}})
    say({"type": "execute", "task": "made", "run": "one"})
    say({"type": "execute", "task": "made", "run": "two"})
    one, two, again = (to_text(execution_id("made", r, n)) for r, n in (("one", 0), ("two", 0), ("two", 1)))
    _seen(client, one, lambda view: view.state == "running")
    _seen(client, two, lambda view: view.state == "running")
    say({"type": "finish", "execution": one, "result": {"ok": True}})
    say({"type": "cancel", "task": "made", "run": "two", "reason": "no longer wanted"})
    assert _ended(client, one).result == {"ok": True}
    assert _ended(client, two).reason == "no longer wanted"
    say({"type": "retry", "execution": two})
    assert _seen(client, again, lambda view: view.state == "running").retry_of == two
    say({"type": "finish", "execution": again, "outcome": "failed", "error": "it was too late"})
    assert _ended(client, again).error == "it was too late"
    say({"type": "delete", "task": "made"})
    say({"type": "execute", "task": "made", "run": "three"})
    _letter(client, "task 'made' does not exist")
    producer.close()


def test_an_execution_for_later_waits_for_its_time(up: tuple[Whole, Client]) -> None:
    """`at` is a time before which nothing starts."""
    system, client = up
    at = time.time() + 2
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + 1))
    event = {"type": "submit", "task": {"id": "later", "kind": "function", "function": "witnessed"}, "at": stamp}
    _kcat(system, event)
    execution = to_text(execution_id("later", ""))
    _seen(client, execution, lambda view: view.state == "scheduled")
    view = _ended(client, execution)
    assert view.started_at is not None
    assert view.started_at.timestamp() >= at


def test_i11_bad_events_are_refused_with_a_reason_and_stop_nothing(up: tuple[Whole, Client]) -> None:
    """Bytes, wrong fields and impossible values become dead letters; the event behind them runs."""
    system, client = up
    good = {"type": "submit", "task": {"id": "behind", "kind": "function", "function": "witnessed"}}
    _kcat(
        system,
        "this is no JSON",
        {"type": "submit", "task": {"id": "x", "kind": "shell", "command": "true", "priority": 12}},
        {"type": "submit", "task": {"id": "x", "kind": "teleport"}},
        {"type": "execute", "task": "nobody-made-this"},
        good,
    )
    assert _ended(client, to_text(execution_id("behind", ""))).state == "succeeded"
    for reason in ("JSON", "priority", "teleport", "'nobody-made-this' does not exist"):
        _letter(client, reason)


def test_i5_a_critical_task_overtakes_a_backlog(up: tuple[Whole, Client]) -> None:
    """With hundreds waiting it starts next: only what had a slot or was on its way goes first."""
    system, client = up

    def submit(name: str, priority: int) -> SubmitEvent:
        return SubmitEvent(task=FunctionTask(id=name, function="witnessed", payload=0.03, priority=priority), run="i5")

    lows = [f"low-{n}" for n in range(300)]
    client.send([submit(name, 1) for name in lows])
    _seen(client, to_text(execution_id("low-10", "i5")), lambda view: view.state == "succeeded")
    client.send([submit("critical", 9)])
    critical = _ended(client, to_text(execution_id("critical", "i5")))
    for name in lows:
        _ended(client, to_text(execution_id(name, "i5")))
    starts = {execution: at for word, execution, _, at in system.said() if word == "start"}
    assert critical.ready_at is not None
    came, began = critical.ready_at.timestamp(), starts[critical.execution]
    low_starts = sorted(starts[to_text(execution_id(name, "i5"))] for name in lows)
    between = [at for at in low_starts if came < at < began]
    assert sum(at > began for at in low_starts) > 10 * SLOTS, "there was no backlog to overtake"
    assert len(between) <= 2 * SLOTS


def test_i5_of_one_batch_the_critical_ones_go_first_into_free_slots(up: tuple[Whole, Client]) -> None:
    """Nothing else runs or waits: the low ones, which stand first in the batch, find slots only behind the others."""
    _, client = up

    def submit(name: str, priority: int) -> SubmitEvent:
        return SubmitEvent(
            task=FunctionTask(id=name, function="witnessed", payload=0.05, priority=priority), run="batch"
        )

    lows, highs = [f"least-{n}" for n in range(10)], [f"most-{n}" for n in range(10)]
    client.send([submit(name, 1) for name in lows] + [submit(name, 9) for name in highs])
    started = {name: _ended(client, to_text(execution_id(name, "batch"))).started_at for name in lows + highs}
    assert max(started[name] for name in highs) <= min(started[name] for name in lows)


def test_what_a_task_says_can_be_read_while_it_runs(up: tuple[Whole, Client]) -> None:
    """Output is streamed: a line is there before the task has ended."""
    system, client = up
    code = "import time\nprint('first', flush=True)\ntime.sleep(600)"
    _kcat(system, {"type": "submit", "task": {"id": "talker", "kind": "python", "code": code}})
    execution = to_text(execution_id("talker", ""))
    _seen(client, execution, lambda view: view.state in {"dispatched", "running"})
    until = time.monotonic() + 20
    while not (lines := client.logs(execution)) and time.monotonic() < until:
        time.sleep(0.1)
    assert [line.text for line in lines] == ["first"]
    assert client.execution(execution).state in {"dispatched", "running"}
    client.cancel(execution)
    assert _ended(client, execution).state == "cancelled"


def _letter(client: Client, reason: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if any(reason in letter.reason for letter in client.dead_letters()):
            return
        time.sleep(0.1)
    raise AssertionError(f"no dead letter says {reason!r}: {[x.reason for x in client.dead_letters()]}")
