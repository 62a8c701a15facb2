"""What the brokers say of what one call has sent."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
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


def so_far(durable: int) -> str:
    """What an error tells of the tasks of its call."""
    if durable > 1:
        known = f"At least {durable:,} tasks of this call are"
    else:
        known = f"{'One' if durable else 'No'} task of this call is known to be"
    return f"{known} durable. Submit the same again: what is durable is not executed a second time."


class Acknowledged:
    """How far the tasks of one call are, in the order in which they were sent."""

    def __init__(self) -> None:
        self._durable = 0
        self._open: deque[tuple[int, list[Word]]] = deque()

    def add(self, counts: Mapping[int, int], words: Words) -> None:
        """So many tasks to each partition, with these words."""
        self._open += [(count, words[home]) for home, count in counts.items()]

    def failed(self) -> BaseException | None:
        """What the first that is known to have failed says."""
        while self._open and all(word.done() for word in self._open[0][1]):
            count, words = self._open[0]
            for word in words:
                if error := word.exception():
                    return error
            self._durable += count
            self._open.popleft()
        return None

    async def all(self) -> None:
        """Return when all are acknowledged. Raises what the first that fails does."""
        await all_of(self._words())

    async def settle(self) -> None:
        """Return when it is known of all whether they are acknowledged."""
        if words := set(self._words()):
            await asyncio.wait(words)

    def durable(self) -> int:
        """How many are acknowledged; of the others some may be durable too."""
        return self._durable + sum(count for count, words in self._open if all(map(_has_come, words)))

    def _words(self) -> Iterator[Word]:
        return itertools.chain.from_iterable(words for _, words in self._open)


def _has_come(word: Word) -> bool:
    return word.done() and not has_failed(word)
