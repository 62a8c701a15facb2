"""What is lent of the workers in one partition of the table: records, written with each save in which they changed."""

import heapq

import msgspec

from streams.engine.records import Loan
from streams.stages.overlay import Overlay

_encode = msgspec.msgpack.Encoder().encode
_loan = msgspec.msgpack.Decoder(Loan).decode


class Loans:
    """Keys: c + worker."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._loans: dict[str, Loan] = {}
        self._pools: dict[str, _Pool] = {}
        self._changed: set[str] = set()
        for _, value in overlay.scan(b"c", b"d", 1_000_000):
            self._know(_loan(value))

    def of(self, worker: str) -> Loan | None:
        """What of a worker's assignments is lent, or was last."""
        return self._loans.get(worker)

    def most(self, pool: str) -> Loan | None:
        """Of the workers in a pool the one of whom most is left."""
        found = self._pools.get(pool)
        return found.most() if found else None

    def left(self, pool: str) -> int:
        """How many assignments in a pool are lent and not given away."""
        found = self._pools.get(pool)
        return sum(loan.left for loan in found.open.values()) if found else 0

    def put(self, loan: Loan) -> None:
        """Keep what is lent of a worker now."""
        self._know(loan)
        self._changed.add(loan.worker)

    def end(self, worker: str) -> None:
        """Nothing is lent of a worker any more."""
        if loan := self._loans.pop(worker, None):
            self._changed.add(worker)
            self._pools[loan.pool].drop(worker)

    def save(self) -> None:
        """Write what has changed, in an order that is the same in each process."""
        for worker in sorted(self._changed):
            loan = self._loans.get(worker)
            self._overlay.change(b"c" + worker.encode(), _encode(loan) if loan else None)
        self._changed.clear()

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
