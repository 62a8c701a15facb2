"""What the brokers say of what one call has sent."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aiokafka.structs import RecordMetadata

Word: TypeAlias = "asyncio.Future[RecordMetadata]"
"""What the broker will say of a message."""

Words: TypeAlias = Mapping[int, list[Word]]
"""By partition: of all messages that were sent to it together."""


async def all_of(words: Iterable[Word]) -> None:
    """Await what others await too: whoever gives up takes it from nobody. Raises what the first that fails does."""
    await asyncio.gather(*map(asyncio.shield, words))


def has_failed(word: Word) -> bool:
    """As far as is known."""
    return word.done() and (word.cancelled() or word.exception() is not None)


class Acknowledged:
    """How far the tasks of one call are, in the order in which they were sent."""

    def __init__(self) -> None:
        self._durable = 0
        self._open: deque[tuple[int, list[Word]]] = deque()

    def add(self, counts: Mapping[int, int], words: Words) -> None:
        """So many tasks to each partition, with these words."""
        self._open += [(count, words[home]) for home, count in counts.items()]

    def check(self) -> None:
        """Raises what one that is known to have failed raises."""
        while self._open and all(word.done() for word in self._open[0][1]):
            count, words = self._open[0]
            for word in words:
                word.result()
            self._durable += count
            self._open.popleft()

    async def all(self) -> None:
        """Return when all are acknowledged. Raises what the first that fails does."""
        await all_of(itertools.chain.from_iterable(words for _, words in self._open))

    async def durable(self) -> int:
        """How many are acknowledged, once that is known of each; of the others some may be durable too."""
        if waiting := {word for _, words in self._open for word in words}:
            await asyncio.wait(waiting)
        return self._durable + sum(count for count, words in self._open if not any(map(has_failed, words)))
