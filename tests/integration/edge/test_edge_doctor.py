"""What doctor says of a system that runs: which executions a person has to look after, and which process is missed."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.requests import BulkRequest, ExecutionFilter
from pipelines.views import RoleView
from streams.local.checks.check import Check
from streams.local.checks.system import NAMED, _lost, _roles
from streams.local.supervisor import environment
from streams.settings import Settings
from tests.integration.edge.conftest import apart, start, stop, until_ready, up
from tests.integration.edge.listing import until
from tests.integration.edge.losing import lose
from ui.client import Client


def test_what_was_lost_and_may_not_run_twice_waits_for_a_person(system: Any, client: Client, name: str) -> None:
    """Doctor names the newest, and how to run again what did not do its work; what was retried is not named."""
    begun = datetime.now(UTC) - timedelta(seconds=1)
    assert [*_lost(client, begun)] == []
    ids = lose(system, client, name, NAMED + 1, run=name)
    [check] = _lost(client, begun)
    assert check.status == "warn"
    assert check.detail.startswith(f"{NAMED + 1} at-most-once executions lost in the last hour, and may have run; ")
    assert check.detail.count(f"{name}.") == check.detail.count(f" in run {name} (ID ") == NAMED
    assert "`headrace retry ID`" in check.mend
    assert "`headrace list --state lost --since 1h` has all" in check.mend
    for row in client.executions(ExecutionFilter(pipeline=name, state=("lost",))).items[1:]:
        client.retry(row.execution)
    again = ExecutionFilter(pipeline=name, state=("waiting",))
    until(client, again, NAMED)
    [check] = _lost(client, begun)
    assert "1 at-most-once execution lost" in check.detail
    client.retry_many(BulkRequest(ids=[one for one in ids if one[-12:] in check.detail]))
    until(client, again, NAMED + 1)
    assert [*_lost(client, begun)] == []


def until_true(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def test_one_of_several_that_is_killed_is_missed_and_one_that_leaves_is_not(kafka: str, tmp_path: Path) -> None:
    """Until another one begins in its place; who leaves in order is not named any more."""
    with ExitStack() as stack:
        settings = stack.enter_context(apart(kafka, tmp_path))
        stack.enter_context(up(settings, "edge", "scheduler"))
        client = stack.enter_context(Client(settings.edge_url, (tmp_path / "api-token").read_text().strip()))

        def there(role: str) -> dict[int, RoleView]:
            return {one.pid: one for one in client.health().roles if one.role == role}

        def warnings() -> list[Check]:
            return [check for check in _roles(client.health(), None) if check.status == "warn"]

        second = another("scheduler", settings, tmp_path / "second")
        until_true(lambda: len(there("scheduler")) == 2)
        second.kill()
        second.wait()
        until_true(lambda: bool(warnings()) and not there("scheduler")[second.pid].alive)
        [warning] = warnings()
        assert warning.name == "scheduler"
        assert warning.detail.startswith(f"process {second.pid} on ")
        third, worker = (another(role, settings, tmp_path / "third") for role in ("scheduler", "worker"))
        try:
            until_true(lambda: not warnings())
            until_true(lambda: len(there("scheduler")) == 2 and len(there("worker")) == 1)
        finally:
            stop([worker, third])
        until_true(lambda: third.pid not in there("scheduler") and not there("worker"))


def another(role: str, settings: Settings, home: Path) -> Any:
    """One more process of a role, with a folder of its own."""
    home.mkdir(exist_ok=True)
    process = start(role, home, {**os.environ, **environment(settings.model_copy(update={"home": home}))})
    until_ready(home / f"{role}.ready", process, home / f"{role}.log")
    return process
