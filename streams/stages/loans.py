"""What is lent of the workers in one partition of the table, and how many executions wait in each pool.

Both are records of their own, written with each save in which they changed.
"""

import msgspec

from streams.engine.records import Execution, Loan, State
from streams.stages.overlay import Overlay

_encode = msgspec.msgpack.Encoder().encode
_loan = msgspec.msgpack.Decoder(Loan).decode


class Loans:
    """Keys: c + worker, the loan; n + pool, the count (8)."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._loans: dict[str, Loan] = {}
        self._open: dict[str, dict[str, Loan]] = {}  # by pool, those of which something is left
        self._waiting: dict[str, int] = {}
        self._changed: set[str] = set()  # pools
        self._spent: set[str] = set()  # workers
        for _, value in overlay.scan(b"c", b"d", 1_000_000):
            self._know(_loan(value))
        for key, value in overlay.scan(b"n", b"o", 1_000_000):
            self._waiting[key[1:].decode()] = int.from_bytes(value, "big")

    def of(self, worker: str) -> Loan | None:
        """What of a worker's assignments is lent, or was last."""
        return self._loans.get(worker)

    def most(self, pool: str) -> Loan | None:
        """Of the workers in a pool the one of whom most is left."""
        some = self._open.get(pool)
        return min(some.values(), key=_most_first) if some else None

    def put(self, loan: Loan) -> None:
        """Keep what is lent of a worker now."""
        self._know(loan)
        self._spent.add(loan.worker)

    def end(self, worker: str) -> None:
        """Nothing is lent of a worker any more."""
        if loan := self._loans.pop(worker, None):
            self._spent.add(worker)
            self._open.get(loan.pool, {}).pop(worker, None)

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
            self._overlay.change(b"n" + pool.encode(), count.to_bytes(8, "big") if count else None)
            if not count:
                del self._waiting[pool]
        self._spent.clear()
        self._changed.clear()

    def _know(self, loan: Loan) -> None:
        self._loans[loan.worker] = loan
        some = self._open.setdefault(loan.pool, {})
        if loan.left:
            some[loan.worker] = loan
        else:
            some.pop(loan.worker, None)


def _most_first(loan: Loan) -> tuple[int, str]:
    return -loan.left, loan.worker
