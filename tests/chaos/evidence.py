"""What is left of a run: the logs of all topics, ClickHouse's rows, the tables on disk, the witness's lines."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from pipelines.ids import home_of, to_text
from streams.engine.commands import Assign, Lend, Run
from streams.envelope import lane_messages, task_commands
from streams.settings import Settings
from streams.topics import Topics, layout
from tests.chaos.copies import copies
from tests.chaos.logs import Logs, reading
from tests.chaos.people import People
from tests.chaos.system import System
from tests.history import read
from tests.history.facts import Delivery, History, Row, Witnessed

PAGE = 5_000
ROWS = f"""
SELECT execution, state, attempt, error FROM executions ORDER BY execution LIMIT {PAGE} OFFSET {{skip:UInt64}}
"""  # noqa: S608  (ours)


class Dispatched(NamedTuple):
    """An attempt that was given to a worker. `at` is the log's time, epoch milliseconds."""

    at: float
    execution: str
    attempt: int
    home: int


class Times(NamedTuple):
    """When things happened, by the logs' own times, and what schedulers said of themselves."""

    dispatched: list[Dispatched]
    proposed: list[float]
    words: list[dict[str, Any]]


class Evidence(NamedTuple):
    """A run, for the judge and for the figures."""

    history: History
    times: Times


async def collect(system: System, people: People, told: list[Delivery], say: Callable[[str], None]) -> Evidence:
    """Read it all, keeping only what is judged. The schedulers are stopped for it: a table has one owner."""
    say("Reading the history ...")
    rows = list(_rows(system))
    system.stop_schedulers()
    found = Evidence(History(asked=people.asked, tasks=people.tasks, rows=rows, deliveries=told), Times([], [], []))
    boot = time.time() - time.monotonic()
    found.history.witnessed = [_witnessed(line, boot) for line in system.witness()]
    async with reading(system.settings.kafka) as logs:
        say("Reading the logs ...")
        await _read(logs, system.settings, found)
        say("Comparing the tables with their logs ...")
        found.history.copies = [copy async for copy in copies(system, logs)]
    return found


def _rows(system: System) -> Iterator[Row]:
    for skip in range(0, 10**9, PAGE):
        page = system.client.sql(ROWS, {"skip": skip}).rows
        yield from (Row(str(which), str(state), int(str(attempt)), str(error)) for which, state, attempt, error in page)
        if len(page) < PAGE:
            return


def _witnessed(line: str, boot: float) -> Witnessed:
    word, execution, attempt, at, worker, *outcome = line.split()
    return Witnessed(word, execution, int(attempt), int((boot + float(at)) * 1000), worker, *outcome)


async def _read(logs: Logs, settings: Settings, found: Evidence) -> None:
    history, times, topics = found.history, found.times, Topics.under(settings.namespace)
    steps, letters = history.steps, history.letters = [], []
    ready, assigned = history.ready, history.assigned = [], []
    kept: dict[str, Callable[[list[Any]], None]] = {
        topics.events: lambda records: steps.extend(read.steps_of(_values(records))),
        topics.dead_letters: lambda records: letters.extend(read.letters_of(_values(records))),
        topics.ready: lambda records: ready.extend(read.line_of(_values(records))),
        topics.tasks: lambda records: assigned.extend(_proposed(records, times)),
        topics.dispatch: lambda records: times.dispatched.extend(dispatched(records, settings)),
        topics.status: lambda records: times.words.extend(_said(records)),
    }
    for topic, keep in kept.items():
        for number in range(layout(settings)[topic][0]):
            async for records in logs.pieces(topic, number):
                keep(records)
    times.dispatched.sort()
    times.proposed.sort()


def _values(records: list[Any]) -> Iterator[bytes]:
    return (record.value or b"" for record in records)


def _proposed(records: list[Any], times: Times) -> list[Assign | Lend]:
    found = [(r, c) for r, c in _commands(records, task_commands) if isinstance(c, Assign | Lend)]
    times.proposed.extend(record.timestamp for record, _ in found)
    return [command for _, command in found]


def dispatched(records: list[Any], settings: Settings) -> Iterator[Dispatched]:
    """What these messages of headrace.dispatch give to workers."""
    for record, command in _commands(records, lane_messages):
        if isinstance(command, Run):
            which = command.job.execution
            home = home_of(which, settings.task_partitions)
            yield Dispatched(record.timestamp, to_text(which), command.job.number, home)


def _said(records: list[Any]) -> list[dict[str, Any]]:
    """The words of schedulers."""
    words = (r.value for r in records if r.value and (r.key or b"").startswith(b"role/scheduler-"))
    return [msgspec.json.decode(word) for word in words]


def _commands(records: list[Any], opened: Callable[[bytes], list[Any]]) -> Iterator[tuple[Any, Any]]:
    """Each command with the message in which it came; what cannot be read is somebody's poison."""
    for record in records:
        try:
            yield from ((record, command) for command in opened(record.value or b""))
        except msgspec.MsgspecError:
            continue
