"""What is left of a run: the logs of all topics, ClickHouse's rows, the tables on disk, the witness's lines."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.app import Plan, plans
from streams.settings import Settings
from streams.state.store import Store
from streams.topics import Topics, layout
from tests.chaos.people import RUN, People
from tests.chaos.system import System
from tests.history import read, replay
from tests.history.facts import Copy, Delivery, History, Row, Witnessed
from tests.simulated.node import content

Logs = dict[TopicPartition, list[Any]]
"""All messages of each partition, as aiokafka's consumer gives them."""

PAGE = 5_000
ROWS = f"""
SELECT execution, state, attempt FROM executions WHERE run = {{run:String}}
ORDER BY execution LIMIT {PAGE} OFFSET {{skip:UInt64}}
"""  # noqa: S608  (ours)


class Evidence(NamedTuple):
    """A run, for the judge and for the figures."""

    logs: Logs
    topics: Topics
    history: History

    def values(self, topic: str) -> list[bytes]:
        """The messages of a topic."""
        return [r.value or b"" for tp, records in sorted(self.logs.items()) if tp.topic == topic for r in records]


async def collect(system: System, people: People, told: list[Delivery]) -> Evidence:
    """Read it all. The schedulers are stopped for it: a table has one owner."""
    rows = list(_rows(system))
    for child in system.of("scheduler"):
        child.stop()
    logs, topics = await _logs(system.settings), Topics.under(system.settings.namespace)
    found = Evidence(logs, topics, History(asked=people.asked, tasks=people.tasks, rows=rows, deliveries=told))
    history = found.history
    history.witnessed = [_witnessed(line) for line in system.witness()]
    history.steps = read.steps_of(found.values(topics.events))
    history.letters = read.letters_of(found.values(topics.dead_letters))
    history.ready = read.line_of(found.values(topics.ready))
    history.assigned = read.assigned_of(found.values(topics.tasks))
    history.copies = list(_copies(system, logs))
    return found


def _rows(system: System) -> Iterator[Row]:
    for skip in range(0, 10**9, PAGE):
        page = system.client.sql(ROWS, {"run": RUN, "skip": skip}).rows
        yield from (Row(str(execution), str(state), int(str(attempt))) for execution, state, attempt in page)
        if len(page) < PAGE:
            return


def _witnessed(line: str) -> Witnessed:
    word, execution, attempt, at, worker, *outcome = line.split()
    return Witnessed(word, execution, int(attempt), int(float(at) * 1000), worker, *outcome)


async def _logs(settings: Settings) -> Logs:
    widths = {name: partitions for name, (partitions, _) in layout(settings).items()}
    widths |= {_changelog(settings, plan): plan.partitions for plan in plans(settings)}
    tps = [TopicPartition(name, number) for name, partitions in widths.items() for number in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, max_partition_fetch_bytes=2**24) as consumer:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        logs: Logs = {tp: [] for tp in tps}
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                logs[tp] += records
    return logs


def _copies(system: System, logs: Logs) -> Iterator[Copy]:
    """Every copy of every table, the standbys' too, against its input and its changelog up to where it stands."""
    for plan in plans(system.settings):
        for home in system.homes():
            for path in sorted((home / "state").glob(f"*/{plan.table}-[0-9]*")):
                number = int(path.name.rpartition("-")[2])
                store = Store(path)
                name, live = f"{home.name}/{path.name}", dict(content(store))
                position, marker = store.position.offset, store.marker
                store.close()
                changes = logs[TopicPartition(_changelog(system.settings, plan), number)]
                folded = replay.from_changelog(plan, [r for r in changes if r.offset <= position])
                yield Copy(f"{name} and its changelog", live, folded)
                taken = [r for r in logs[TopicPartition(plan.source, number)] if r.offset <= marker]
                yield Copy(f"{name} and its input", live, replay.from_input(plan, system.settings, number, taken))


def _changelog(settings: Settings, plan: Plan) -> str:
    return f"{settings.namespace}.{plan.table}-changelog"
