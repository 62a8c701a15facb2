"""How far a partition's notifications are done, as one commit: an offset, and a memo of what is done beyond it.

Kafka keeps one offset a partition. One slow target would hold it back, and whoever takes over would repeat all that
came after. So the commit's metadata, which Kafka keeps for us, names what is done beyond the offset: exact, and small.
"""

from collections.abc import Iterator

MEMO_LIMIT = 4000
"""Characters of a memo; Kafka's own limit is 4096 bytes (offset.metadata.max.bytes). The rest would be repeated."""

Memo = dict[int, int]
"""Offset -> which deliveries of that message are done, one bit each."""


class Line:
    """One partition's messages in the order of their offsets, each with its deliveries, done or not."""

    def __init__(self, memo: Memo | None = None) -> None:
        """`memo` is what an earlier owner knew; see `read_memo`."""
        self._known = memo or {}
        self._open: dict[int, tuple[int, int]] = {}  # offset -> (done, all), one bit a delivery
        self._next = -1

    def take(self, offset: int, count: int) -> list[int]:
        """A message with `count` deliveries arrives; which of them are still to be made."""
        everything = (1 << count) - 1
        done = self._known.pop(offset, 0) & everything
        self._next = offset + 1
        if done != everything:
            self._open[offset] = (done, everything)
        return [n for n in range(count) if not done >> n & 1]

    def done(self, offset: int, number: int) -> None:
        """A delivery was made, or given up for good."""
        done, everything = self._open[offset]
        done |= 1 << number
        if done == everything:
            del self._open[offset]
        else:
            self._open[offset] = (done, everything)

    def commit(self) -> tuple[int, str] | None:
        """The offset to go on from and the memo; None before the first message."""
        if self._next < 0:
            return None
        offset = next(iter(self._open), self._next)
        return offset, _write(offset, self._beyond(offset))

    def _beyond(self, offset: int) -> Iterator[tuple[int, int]]:
        """What is done from `offset` on, message by message; -1 is all of it."""
        for known in range(offset, self._next):
            done, _ = self._open.get(known, (-1, 0))
            if done:
                yield known, done
        yield from sorted(self._known.items())  # an earlier owner was further than we are


def _write(offset: int, beyond: Iterator[tuple[int, int]]) -> str:
    """Pairs `distance:bits` in hexadecimal; `*` stands for all of a message's deliveries."""
    words: list[str] = []
    room = MEMO_LIMIT
    for known, done in beyond:
        word = f"{known - offset:x}:{'*' if done < 0 else f'{done:x}'}"
        room -= len(word) + 1
        if room < 0:
            break
        words.append(word)
    return " ".join(words)


def read_memo(offset: int, memo: str) -> Memo:
    """The memo of a commit; one that is not ours is empty (then deliveries are repeated, not lost)."""
    try:
        pairs = [word.split(":") for word in memo.split()]
        return {offset + int(distance, 16): -1 if bits == "*" else int(bits, 16) for distance, bits in pairs}
    except ValueError:
        return {}
