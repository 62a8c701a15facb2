"""What is lent of the workers in one partition of the table, and how many executions wait in each pool.

Both are records of their own, written with each save in which they changed. A table from before they were counts its
waiting ones once.
"""

import heapq

import msgspec

from streams.engine.records import Execution, Loan, State
from streams.stages.overlay import Overlay

_COUNTED = b"n"
"""Key that says that the counts are kept."""

PAGE = 10_000
"""Records that are read at once where the waiting ones have never been counted."""

_encode = msgspec.msgpack.Encoder().encode
_loan = msgspec.msgpack.Decoder(Loan).decode
_execution = msgspec.msgpack.Decoder(Execution).decode


class Loans:
    """Keys: c + worker, the loan; n + pool, the count (8); n, the counts are kept."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._loans: dict[str, Loan] = {}
        self._most: dict[str, list[tuple[int, str]]] = {}  # by pool a heap; what does not fit its loan has passed
        self._waiting: dict[str, int] = {}
        self._changed: set[str] = set()  # pools
        self._spent: set[str] = set()  # workers
        for _, value in overlay.scan(b"c", b"d", 1_000_000):
            self._know(_loan(value))
        if overlay.get(_COUNTED) is None:
            self._count_all()
        for key, value in overlay.scan(_COUNTED + b"\0", b"o", 1_000_000):
            self._waiting[key[1:].decode()] = int.from_bytes(value, "big")

    def of(self, worker: str) -> Loan | None:
        """What of a worker's assignments is lent, or was last."""
        return self._loans.get(worker)

    def most(self, pool: str) -> Loan | None:
        """Of the workers in a pool the one of whom most is left."""
        heap = self._most.get(pool)
        while heap:
            less, worker = heap[0]
            loan = self._loans.get(worker)
            if loan and loan.left == -less:
                return loan
            heapq.heappop(heap)
        return None

    def put(self, loan: Loan) -> None:
        """Keep what is lent of a worker now."""
        self._know(loan)
        self._spent.add(loan.worker)

    def end(self, worker: str) -> None:
        """Nothing is lent of a worker any more."""
        if self._loans.pop(worker, None):
            self._spent.add(worker)

    def waiting(self, pool: str) -> int:
        """How many stand in a pool's line."""
        return self._waiting.get(pool, 0)

    def moved(self, old: Execution | None, new: Execution) -> None:
        """Count one that enters a line or leaves it."""
        before = old is not None and old.state == State.WAITING
        if before != (new.state == State.WAITING):
            self._waiting[new.pool] = self._waiting.get(new.pool, 0) + (-1 if before else 1)
            self._changed.add(new.pool)

    def save(self) -> None:
        """Write what has changed; called once for each commit."""
        for worker in self._spent:
            loan = self._loans.get(worker)
            self._overlay.change(b"c" + worker.encode(), _encode(loan) if loan else None)
        for pool in self._changed:
            count = self._waiting[pool]
            self._overlay.change(_COUNTED + pool.encode(), count.to_bytes(8, "big") if count else None)
            if not count:
                del self._waiting[pool]
        self._spent.clear()
        self._changed.clear()

    def _know(self, loan: Loan) -> None:
        self._loans[loan.worker] = loan
        if loan.left:
            heapq.heappush(self._most.setdefault(loan.pool, []), (-loan.left, loan.worker))

    def _count_all(self) -> None:
        start = b"x"
        while found := self._overlay.scan(start, b"y", PAGE):
            for _, value in found:
                self.moved(None, _execution(value))
            start = found[-1][0] + b"\0"
        self._overlay.put(_COUNTED, b"1")
