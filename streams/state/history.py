"""Whether what is left of the logs still adds up to the table; a process that finds it does not, refuses to start."""

from streams.state.exits import REFUSED
from streams.state.partition import NO_MARKER, StateError
from streams.state.reader import Extent
from streams.state.store import NO_OFFSET, Store

PUT_BACK = "Put back what was lost, or, while no scheduler runs, accept it: `python -m streams.state.reset"
LOSE_TABLE = f"{PUT_BACK} table TABLE` begins with an empty table."
LOSE_INPUT = f"{PUT_BACK} inputs TABLE` goes on with what is there."


class RefusedError(StateError):
    """History is missing: starting would silently build on a wrong table."""

    status = REFUSED


class StaleStoreError(StateError):
    """The store is too old to follow on: deletions that it has not seen may have been compacted away."""


def check_changelog(name: str, store_offset: int, log: Extent) -> None:
    """Refuse where the store and the changelog do not meet. `name` is the changelog partition's."""
    if log.start > store_offset + 1:
        have = "nothing" if store_offset == NO_OFFSET else f"the records up to {store_offset}"
        raise RefusedError(
            f"{name} lost its head: it begins at offset {log.start}, and the table on this machine "
            f"has {have}. {LOSE_TABLE}"
        )
    if store_offset >= log.end:
        raise RefusedError(
            f"{name} was truncated or made anew: it ends at offset {log.end}, and the table on this machine "
            f"has its record {store_offset}. {LOSE_TABLE}"
        )


def check_input(name: str, marker: int, log: Extent) -> None:
    """Refuse where the input does not go on where the table stopped. `name` is the input partition's."""
    if log.start > marker + 1:
        have = "has read nothing of it yet" if marker == NO_MARKER else f"has read it up to {marker}"
        raise RefusedError(
            f"{name} lost messages that were never read: it begins at offset {log.start}, and the table {have} "
            f"(retention ran out, or records were deleted). {LOSE_INPUT}"
        )
    if marker >= log.end:
        raise RefusedError(
            f"{name} was truncated or made anew: it ends at offset {log.end}, and the table has read it "
            f"up to {marker}. {LOSE_INPUT}"
        )


def check_joint(name: str, store: Store, offset: int, timestamp: int) -> None:
    """Refuse where the log's record at the store's own position is another one than the store has."""
    if offset == store.position.offset and timestamp != store.position.at:
        raise RefusedError(
            f"{name} was made anew: its record {offset} is another one than the table on this machine has. {LOSE_TABLE}"
        )
