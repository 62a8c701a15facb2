"""Ways out where history is missing. Both accept a loss, and only a person may do that.

python -m streams.state.reset inputs TABLE   go on at what is left of the input; what is missing was never read
python -m streams.state.reset table TABLE    throw the table away, begin empty at the input's end

No scheduler may run meanwhile: one that does is fenced off and ends.
"""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.settings import Settings, exits_on_wrong_settings, settings
from streams.state.changelogs import create_changelog, partitions_of
from streams.state.partition import NO_MARKER, StateError
from streams.state.reader import Reader
from streams.state.store import MARKER
from streams.state.writer import Writer

USAGE = "usage: python -m streams.state.reset (inputs|table) TABLE\n"
BAD_USAGE = 2


async def accept_lost_inputs(config: Settings, table: str) -> dict[int, int]:
    """Move each marker to where its input goes on now. Returns the new markers of the partitions that moved."""
    moved = {}
    async with _connected(config, table) as (reader, inputs):
        extents = await reader.extents(inputs)
        for source, extent in extents.items():
            marker = await _last_marker(reader, TopicPartition(_changelog(config, table), source.partition))
            wanted = min(max(marker, extent.start - 1), extent.end - 1)
            if wanted != marker:
                await _set_marker(config, table, source.partition, wanted)
                moved[source.partition] = wanted
    return moved


async def throw_away(config: Settings, table: str) -> None:
    """Make the changelog anew and empty, with markers at the ends of the inputs; remove this machine's copies."""
    async with _connected(config, table) as (reader, inputs):
        ends = {source.partition: extent.end for source, extent in (await reader.extents(inputs)).items()}
    await _make_anew(config, table, len(ends))
    for partition, end in ends.items():
        await _set_marker(config, table, partition, end - 1)
        for folder in (config.home / "state").glob(f"*/{table}-{partition}"):
            shutil.rmtree(folder)


@asynccontextmanager
async def _connected(config: Settings, table: str) -> AsyncIterator[tuple[Reader, list[TopicPartition]]]:
    """A reader, and the input's partitions: a table is named as its input is."""
    source = f"{config.namespace}.{table}"
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka)
    await admin.start()
    try:
        count = (await partitions_of(admin, [source]))[source]
    finally:
        await admin.close()
    if not count:
        raise StateError(f"there is no table {table}: topic {source} does not exist")
    reader = await Reader.connect(config.kafka, wait_ms=100)
    try:
        yield reader, [TopicPartition(source, partition) for partition in range(count)]
    finally:
        await reader.close()


async def _last_marker(reader: Reader, log: TopicPartition) -> int:
    extent = (await reader.extents([log]))[log]
    reader.start_at({log: extent.start})
    marker, seen = NO_MARKER, extent.start
    while seen < extent.end:
        for record in (await reader.read([log], timeout_ms=1_000)).get(log, []):
            seen = record.offset + 1
            marker = int(record.value) if record.key == MARKER else marker
    return marker


async def _set_marker(config: Settings, table: str, partition: int, marker: int) -> None:
    transactional_id = f"{config.namespace}-{table}-{partition}"
    writer = await Writer.take_over(config.kafka, transactional_id, _changelog(config, table), partition)
    await writer.append([(MARKER, b"%d" % marker)])
    await writer.close()


async def _make_anew(config: Settings, table: str, partitions: int) -> None:
    changelog = _changelog(config, table)
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka)
    await admin.start()
    try:
        await admin.delete_topics([changelog])
        async with asyncio.timeout(30):
            while (await partitions_of(admin, [changelog]))[changelog]:  # noqa: ASYNC110  (the broker tells nobody)
                await asyncio.sleep(0.1)
        await create_changelog(admin, changelog, partitions, config.replication)
    finally:
        await admin.close()


def _changelog(config: Settings, table: str) -> str:
    return f"{config.namespace}.{table}-changelog"


def main() -> int:
    """Do what the command line says, and say what was done."""
    match sys.argv[1:]:
        case ["inputs", table]:
            moved = asyncio.run(accept_lost_inputs(settings(), table))
            sys.stdout.write(f"{table}: goes on at {({p: m + 1 for p, m in moved.items()}) or 'where it was'}\n")
        case ["table", table]:
            asyncio.run(throw_away(settings(), table))
            sys.stdout.write(f"{table}: begins empty. Remove state/*/{table}-* in `home` on all other machines.\n")
        case _:
            sys.stderr.write(USAGE)
            return BAD_USAGE
    return 0


if __name__ == "__main__":
    with exits_on_wrong_settings():
        sys.exit(main())
