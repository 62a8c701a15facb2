"""What the brokers say of what one call has sent."""

import asyncio
import itertools
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


class Acknowledged:
    """Tasks that were sent, in order."""

    def __init__(self) -> None:
        self._sent: list[tuple[int, list[Word]]] = []
        self._settled = 0

    def add(self, counts: Mapping[int, int], words: Words) -> None:
        """So many tasks to each partition, with these words."""
        self._sent += [(count, words[home]) for home, count in counts.items()]

    def check(self) -> None:
        """Raises what one that is known to have failed raises."""
        while self._settled < len(self._sent) and all(word.done() for word in self._sent[self._settled][1]):
            for word in self._sent[self._settled][1]:
                word.result()
            self._settled += 1

    async def all(self) -> None:
        """Return when all are acknowledged. Raises what the first that fails does."""
        await all_of(itertools.chain.from_iterable(words for _, words in self._sent[self._settled :]))

    async def durable(self) -> int:
        """How many are, once that is known of each."""
        if waiting := {word for _, words in self._sent for word in words}:
            await asyncio.wait(waiting)
        return sum(count for count, words in self._sent if not any(word.exception() for word in words))
