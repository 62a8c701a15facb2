"""I6: every copy of every table, the standbys' too, against its input and its changelog up to where it stands."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from streams.app import Plan, plans
from streams.settings import Settings
from streams.state.store import Store
from tests.chaos.logs import Logs
from tests.chaos.system import System
from tests.history.facts import Copy
from tests.history.replay import FromChangelog, FromInput
from tests.simulated.node import content


class Folder(NamedTuple):
    """A copy on disk: its path, and the last records of its changelog and its input that are in it."""

    path: Path
    position: int
    marker: int

    @property
    def name(self) -> str:
        """Whose it is, and of which table."""
        return f"{self.path.parents[2].name}/{self.path.name}"


async def copies(system: System, logs: Logs) -> AsyncIterator[Copy]:
    """One after the other, and of each only what differs: all of them do not fit into memory. Nobody has them open."""
    settings = system.settings
    for plan in plans(settings):
        for number in range(plan.partitions):
            folders = list(_folders(system, plan, number))
            changes = logs.pieces(changelog(settings, plan), number)
            async for copy in _compared("its changelog", FromChangelog(plan), changes, folders, lambda f: f.position):
                yield copy
            inputs, made = logs.pieces(plan.source, number), FromInput(plan, settings, number)
            async for copy in _compared("its input", made, inputs, folders, lambda f: f.marker):
                yield copy


def changelog(settings: Settings, plan: Plan) -> str:
    """The topic of a table's changes."""
    return f"{settings.namespace}.{plan.table}-changelog"


def _folders(system: System, plan: Plan, number: int) -> Iterator[Folder]:
    for home in system.homes():
        for path in sorted((home / "state").glob(f"*/{plan.table}-{number}")):
            with _open(path) as store:
                yield Folder(path, store.position.offset, store.marker)


async def _compared(
    what: str,
    made: FromInput | FromChangelog,
    pieces: AsyncIterator[list[Any]],
    folders: list[Folder],
    last: Callable[[Folder], int],
) -> AsyncIterator[Copy]:
    """Each copy against the table made of the log up to the last record that is in it, the oldest copy first."""
    waiting = sorted(folders, key=last)
    async for records in pieces:
        rest = records
        while waiting and rest and rest[-1].offset >= last(waiting[0]):
            made.take([r for r in rest if r.offset <= last(waiting[0])])
            rest = [r for r in rest if r.offset > last(waiting[0])]
            yield _differences(waiting.pop(0), what, made.table())
        if waiting:
            made.take(rest)
    for folder in waiting:
        yield _differences(folder, what, made.table())


def _differences(folder: Folder, what: str, replayed: dict[bytes, bytes]) -> Copy:
    with _open(folder.path) as store:
        live = dict(content(store))
    keys = {key for key in live.keys() | replayed.keys() if live.get(key) != replayed.get(key)}
    ours, theirs = ({k: v for k, v in table.items() if k in keys} for table in (live, replayed))
    return Copy(f"{folder.name} and {what}", ours, theirs)


@contextmanager
def _open(path: Path) -> Iterator[Store]:
    store = Store(path)
    try:
        yield store
    finally:
        store.close()
