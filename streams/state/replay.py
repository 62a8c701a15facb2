"""Applying changelog records to a store: the same for recovery and for standbys."""

import time
from collections.abc import Sequence
from typing import Any

from streams.state.history import StaleStoreError, check_joint
from streams.state.partition import Change, Derive
from streams.state.store import FIRST_KEY, NO_OFFSET, Position, Store

DELETE_RETENTION = 24 * 3600.0
"""Seconds for which the changelog keeps deletions after it was compacted."""

MARGIN = 3600.0


def apply_records(name: str, store: Store, derive: Derive, records: Sequence[Any], end: int) -> None:
    """Bring `store` forward by `records` of its changelog, which ends at `end`; `name` is for errors.

    Records at or before the store's position are only compared with it. A store that was empty becomes bare: it takes
    the records alone, and whoever wants it complete has it derive the rest at the end. Raises RefusedError where they
    are another history's, StaleStoreError where the store must be built anew.
    """
    check_joint(name, store, records[0].offset, records[0].timestamp)
    news = [record for record in records if record.offset > store.position.offset]
    if not news:
        return
    last, now = news[-1], int(time.time() * 1000)
    _check_fresh(name, store, now, gaps=last.offset - store.position.offset != len(news))
    if store.position.offset == NO_OFFSET:
        store.bare = True
    changes = {record.key: record.value for record in news}
    derived = [] if store.bare else _derived(store, derive, changes)
    fresh = now if last.offset + 1 >= end else store.position.fresh
    store.write([*derived, *changes.items()], Position(last.offset, last.timestamp, fresh))


def _check_fresh(name: str, store: Store, now: int, *, gaps: bool) -> None:
    """Where compaction left gaps, a store that slept too long may have missed a deletion for good."""
    if gaps and now - store.position.fresh > (DELETE_RETENTION - MARGIN) * 1000:
        raise StaleStoreError(f"the copy of {name} on this machine is older than deletions are kept: it is built anew")


def _derived(store: Store, derive: Derive, changes: dict[bytes, bytes | None]) -> list[Change]:
    """What follows from the changes; what a key was in between leaves no trace."""
    keys = [key for key in changes if key >= FIRST_KEY]
    olds = zip(keys, store.get_many(keys), strict=True)
    return [change for key, old in olds for change in derive(key, old, changes[key])]
