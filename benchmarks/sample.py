"""Recorded lives of short executions, and the messages that they come in: what measurements of the history share."""

from collections.abc import Iterable
from types import SimpleNamespace

from msgspec.structs import replace

from pipelines.ids import execution_id
from streams.engine.events import Moved
from streams.engine.records import Execution


def waiting(task: str, number: int, at: int, owner: str = "anyone") -> Execution:
    """The execution of a task in its own run, as it is created; `at` in epoch milliseconds."""
    run = f"run-{number}"
    which = execution_id(task, run)
    times = {"created_at": at, "due_at": at, "ready_at": at}
    return Execution(which, task=task, run=run, kind="function", state="waiting", owner=owner, **times)


def success(waits: Execution, given_at: int, over: int, worker: int) -> list[Moved]:
    """It is given to a worker, which starts it a millisecond later, and succeeds."""
    lane = {"worker": f"w-{worker}", "lane": worker}
    given = replace(waits, state="dispatched", version=2, attempt=1, dispatched_at=given_at, **lane)
    done = replace(given, state="succeeded", version=3, started_at=given_at + 1, finished_at=over, has_result=True)
    return [Moved("assigned", given_at, given), Moved("succeeded", over, done, result=b'{"ok":true}')]


def messages(topic: str, values: Iterable[bytes], offset: int, at: int) -> list[SimpleNamespace]:
    """Values as a consumer hands them out, from an offset on."""
    return [
        SimpleNamespace(topic=topic, partition=0, offset=number, value=value, timestamp=at)
        for number, value in enumerate(values, offset)
    ]
