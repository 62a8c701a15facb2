"""Who waits for whom: one small key for each watcher, so that any number of them can wait for one execution."""

from streams.engine.view import Watchers
from streams.stages.overlay import Overlay
from streams.state.partition import Partition

_LAST = b"\xff" * 17


class Watches:
    """The watchers in one partition of the table. The key without a watcher says how many there are."""

    def __init__(self, partition: Partition, overlay: Overlay) -> None:
        self._partition, self._overlay = partition, overlay
        self._changed: dict[bytes, dict[bytes, bytes | None]] = {}
        self._any = bool(partition.scan(b"h", b"i", 1))

    def any(self, execution: bytes) -> bool:
        """Whether somebody waits for it."""
        return self._any and self._overlay.get(b"h" + execution) is not None

    def of(self, execution: bytes, after: bytes, limit: int) -> Watchers:
        """Those who wait for it, in the order of their ids, from behind `after` on."""
        if not self.any(execution):
            return ()
        own = {w: known_as for w, known_as in self._changed.get(execution, {}).items() if w > after}
        start, prefix = b"h" + execution + (after + b"\0" if after else b"\0"), b"h" + execution
        stored = self._partition.scan(start, prefix + _LAST, limit + len(own))
        pairs = sorted({**{key[17:]: value for key, value in stored}, **own}.items())
        return tuple((watcher, known_as) for watcher, known_as in pairs if known_as is not None)[:limit]

    def add(self, execution: bytes, watcher: bytes, known_as: bytes) -> None:
        """Let somebody wait."""
        self._any = True
        if self._overlay.get(b"h" + execution + watcher) is None:
            self._count(execution, 1)
        self._set(execution, watcher, known_as)

    def remove(self, execution: bytes, watcher: bytes) -> None:
        """Let somebody wait no longer; who does not wait is no matter."""
        if self._any and self._overlay.get(b"h" + execution + watcher) is not None:
            self._count(execution, -1)
            self._set(execution, watcher, None)

    def remove_all(self, execution: bytes) -> None:
        """Let nobody wait for it any longer."""
        for watcher, _ in self.of(execution, b"", 1 << 31):
            self.remove(execution, watcher)

    def saved(self) -> None:
        """The changes are durable."""
        self._changed.clear()

    def _set(self, execution: bytes, watcher: bytes, known_as: bytes | None) -> None:
        self._changed.setdefault(execution, {})[watcher] = known_as
        self._overlay.change(b"h" + execution + watcher, known_as)

    def _count(self, execution: bytes, change: int) -> None:
        count = int.from_bytes(self._overlay.get(b"h" + execution) or b"", "big") + change
        self._overlay.change(b"h" + execution, count.to_bytes(4, "big") if count else None)
