"""What is lent of the workers in one partition of the table, and how many executions wait in each pool.

Both are records of their own, written with each save in which they changed.
"""

import heapq

import msgspec

from streams.engine.records import MOST_CRITICAL, Execution, Loan, State
from streams.stages.overlay import Overlay

_encode = msgspec.msgpack.Encoder().encode
_loan = msgspec.msgpack.Decoder(Loan).decode
_counts = msgspec.msgpack.Decoder(list[int]).decode


class Loans:
    """Keys: c + worker, its loan; n + pool, a count for each priority."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._loans: dict[str, Loan] = {}
        self._pools: dict[str, _Pool] = {}
        self._waiting: dict[str, list[int]] = {}
        self._changed_workers: set[str] = set()
        self._changed_pools: set[str] = set()
        for _, value in overlay.scan(b"c", b"d", 1_000_000):
            self._know(_loan(value))
        for key, value in overlay.scan(b"n", b"o", 1_000_000):
            self._waiting[key[1:].decode()] = _counts(value)

    def of(self, worker: str) -> Loan | None:
        """What of a worker's assignments is lent, or was last."""
        return self._loans.get(worker)

    def some(self, pool: str) -> bool:
        """Whether something is left in a pool."""
        found = self._pools.get(pool)
        return found is not None and bool(found.open)

    def most(self, pool: str) -> Loan | None:
        """Of the workers in a pool the one of whom most is left."""
        found = self._pools.get(pool)
        return found.most() if found else None

    def put(self, loan: Loan) -> None:
        """Keep what is lent of a worker now."""
        self._know(loan)
        self._changed_workers.add(loan.worker)

    def end(self, worker: str) -> None:
        """Nothing is lent of a worker any more."""
        if loan := self._loans.pop(worker, None):
            self._changed_workers.add(worker)
            self._pools[loan.pool].drop(worker)

    def waiting(self, pool: str, above: int) -> int:
        """How many wait in a pool, of a priority above that one."""
        counts = self._waiting.get(pool)
        return sum(counts[above + 1 :]) if counts else 0

    def moved(self, old: Execution | None, new: Execution) -> None:
        """Count one that begins to wait, or waits no more."""
        before = old is not None and old.state == State.WAITING
        if before != (new.state == State.WAITING):
            counts = self._waiting.setdefault(new.pool, [0] * (MOST_CRITICAL + 1))
            counts[new.priority] += -1 if before else 1
            self._changed_pools.add(new.pool)

    def save(self) -> None:
        """Write what has changed, in an order that is the same in each process; called once for each commit."""
        for worker in sorted(self._changed_workers):
            loan = self._loans.get(worker)
            self._overlay.change(b"c" + worker.encode(), _encode(loan) if loan else None)
        for pool in sorted(self._changed_pools):
            counts = self._waiting[pool]
            self._overlay.change(b"n" + pool.encode(), _encode(counts) if any(counts) else None)
        self._changed_workers.clear()
        self._changed_pools.clear()

    def _know(self, loan: Loan) -> None:
        self._loans[loan.worker] = loan
        self._pools.setdefault(loan.pool, _Pool()).know(loan)


class _Pool:
    """The loans of one pool of which something is left, most first."""

    __slots__ = ("_heap", "open")

    def __init__(self) -> None:
        self.open: dict[str, Loan] = {}
        self._heap: list[tuple[int, str]] = []  # what does not fit its loan has passed

    def know(self, loan: Loan) -> None:
        if not loan.spans:
            self.drop(loan.worker)
            return
        self.open[loan.worker] = loan
        heapq.heappush(self._heap, (-loan.left, loan.worker))
        if len(self._heap) > 2 * len(self.open) + 8:
            self._heap = [(-other.left, other.worker) for other in self.open.values()]
            heapq.heapify(self._heap)

    def drop(self, worker: str) -> None:
        self.open.pop(worker, None)

    def most(self) -> Loan | None:
        while self.open:
            less, worker = self._heap[0]
            loan = self.open.get(worker)
            if loan and loan.left == -less:
                return loan
            heapq.heappop(self._heap)
        return None
