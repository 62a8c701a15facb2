"""The newest things of a kind, by their names."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Newest(Generic[K, V]):
    """At most so many of them; what came again is as new as what came first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __contains__(self, name: K) -> bool:
        return name in self._kept

    def __reversed__(self) -> Iterator[K]:
        """Their names, the newest first."""
        return reversed(self._kept)

    def get(self, name: K) -> V | None:
        """What was last said of it."""
        return self._kept.get(name)

    def put(self, name: K, value: V) -> None:
        """This is the newest one; the oldest leaves where it is one too many."""
        self._kept[name] = value
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
