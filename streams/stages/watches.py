"""Who waits for whom: one small key for each watcher, so that any number of them can wait for one execution."""

from collections import OrderedDict

from streams.engine.view import Watchers
from streams.stages.overlay import Overlay
from streams.state.partition import Partition

FEW = 4
"""Watchers of one execution that are remembered; of one that has more none is."""

LATELY = 50_000
"""Executions whose watchers are remembered: some 20 MB, and 40 where each has as many as can be."""

_LAST = b"\xff" * 17


class Watches:
    """The watchers in one partition of the table. The key without a watcher says how many there are."""

    def __init__(self, partition: Partition, overlay: Overlay) -> None:
        self._partition, self._overlay = partition, overlay
        self._changed: dict[bytes, dict[bytes, bytes | None]] = {}
        self._known: OrderedDict[bytes, dict[bytes, bytes]] = OrderedDict()  # all who wait for these
        self._lonely: set[bytes] = set()  # looked for since the last save, and nobody waits for them
        self._some = bool(partition.scan(b"h", b"i", 1))

    def expect(self, executions: list[bytes]) -> None:
        """Look all at once whether somebody waits for these, who will be asked for."""
        if self._some:
            counts = self._overlay.get_many([b"h" + which for which in executions])
            self._lonely.update(which for which, count in zip(executions, counts, strict=True) if count is None)

    def any(self, execution: bytes) -> bool:
        """Whether somebody waits for it."""
        return self._some and (execution in self._known or not self._nobody(execution))

    def of(self, execution: bytes, after: bytes, limit: int) -> Watchers:
        """Those who wait for it, in the order of their ids, from behind `after` on."""
        if not self.any(execution):
            return ()
        found = self._known.get(execution) or self._stored(execution, after, limit)
        return tuple(sorted(pair for pair in found.items() if pair[0] > after)[:limit])

    def add(self, execution: bytes, watcher: bytes, known_as: bytes) -> None:
        """Let somebody wait."""
        self._some = True
        if execution not in self._known and self._nobody(execution):
            self._lonely.remove(execution)
            self._remember(execution)
        if not self._has(execution, watcher):
            self._count(execution, 1)
        self._set(execution, watcher, known_as)
        if (known := self._known.get(execution)) is not None:
            known[watcher] = known_as
            if len(known) > FEW:
                del self._known[execution]

    def remove(self, execution: bytes, watcher: bytes) -> None:
        """Let somebody wait no longer; who does not wait is no matter."""
        if not self._some or not self._has(execution, watcher):
            return
        self._count(execution, -1)
        self._set(execution, watcher, None)
        if known := self._known.get(execution):
            del known[watcher]
            if not known:
                del self._known[execution]

    def saved(self) -> None:
        """The changes are durable."""
        self._changed.clear()
        self._lonely.clear()

    def _stored(self, execution: bytes, after: bytes, limit: int) -> dict[bytes, bytes]:
        """At least so many of those behind `after` as the table has them, with what has changed since its last save."""
        own = {w: known_as for w, known_as in self._changed.get(execution, {}).items() if w > after}
        start, prefix = b"h" + execution + (after + b"\0" if after else b"\0"), b"h" + execution
        stored = self._partition.scan(start, prefix + _LAST, limit + len(own))
        newest = {**{key[17:]: value for key, value in stored}, **own}
        return {watcher: known_as for watcher, known_as in newest.items() if known_as is not None}

    def _nobody(self, execution: bytes) -> bool:
        """Whether nobody waits for one that is not remembered."""
        if execution in self._lonely:
            return True
        if self._overlay.get(b"h" + execution) is not None:
            return False
        self._lonely.add(execution)
        return True

    def _remember(self, execution: bytes) -> None:
        self._known[execution] = {}
        if len(self._known) > LATELY:
            self._known.popitem(last=False)

    def _has(self, execution: bytes, watcher: bytes) -> bool:
        known = self._known.get(execution)
        return self._overlay.get(b"h" + execution + watcher) is not None if known is None else watcher in known

    def _set(self, execution: bytes, watcher: bytes, known_as: bytes | None) -> None:
        self._changed.setdefault(execution, {})[watcher] = known_as
        self._overlay.change(b"h" + execution + watcher, known_as)

    def _count(self, execution: bytes, change: int) -> None:
        known = self._known.get(execution)
        stored = int.from_bytes(self._overlay.get(b"h" + execution) or b"", "big") if known is None else len(known)
        self._overlay.change(b"h" + execution, (stored + change).to_bytes(4, "big") if stored + change else None)
