"""How many assignments a worker accepts. Pure: arrivals in, an absolute limit out; nothing lost or doubled matters."""

SHARE = 8
"""A limit is told anew when it grew by this part of the capacity."""


class Seen:
    """Which of the lane's assignments have arrived, in whatever order and however often: a watermark and a set."""

    __slots__ = ("_above", "_upto")

    def __init__(self) -> None:
        self._upto = 0
        self._above: set[int] = set()

    @property
    def count(self) -> int:
        """How many different ones there were (they count from 1)."""
        return self._upto + len(self._above)

    def add(self, seq: int) -> bool:
        """Note one; whether it is new."""
        if seq <= self._upto or seq in self._above:
            return False
        if seq != self._upto + 1:
            self._above.add(seq)
            return True
        self._upto = seq
        while self._above and self._upto + 1 in self._above:
            self._upto += 1
            self._above.remove(self._upto)
        return True


class Credits:
    """The limit of one incarnation: seen + capacity - held, so that it never holds more than its capacity.

    A job that is on its way was promised by an earlier limit and counts against no later one: both sides count
    from the lane's grant. A repetition, another order, or a hole that is filled late changes nothing in the end.
    """

    __slots__ = ("seen", "told")

    def __init__(self) -> None:
        self.seen = Seen()
        self.told = 0

    def limit(self, capacity: int, held: int) -> int:
        """Assignments accepted in all since the lane's grant, for a worker that now holds `held`."""
        return self.seen.count + max(0, capacity - held)

    def news(self, capacity: int, held: int) -> int | None:
        """The limit, where it differs so much from the one last told that it is worth a message."""
        limit = self.limit(capacity, held)
        if self.told <= limit < self.told + max(1, capacity // SHARE):
            return None
        return self.tell(limit)

    def tell(self, limit: int) -> int:
        """Remember what was told."""
        self.told = limit
        return limit
