"""What a stage reads and what it sends, apart from how Kafka moves it."""

from collections.abc import Container
from typing import Any, NamedTuple, Protocol

from streams.engine.events import Refused
from streams.state.partition import Changes

WEIGHT_LIMIT = 5_000_000
"""Changed bytes after which the table is saved: a record batch of the changelog is appended whole or not at all."""

FIRST_BYTES = 2048
"""Bytes of a refused message that its dead letter shows."""


class Incoming(NamedTuple):
    """One Kafka message. `at` is its timestamp in epoch milliseconds."""

    offset: int
    at: int
    value: bytes


class Send(NamedTuple):
    """One Kafka message to send."""

    topic: str
    partition: int
    value: bytes | None
    key: bytes | None = None


class PoisonError(Exception):
    """A message that cannot be read: it becomes a dead letter and stops nothing (promise I11)."""


class BugError(Exception):
    """Our own code failed on a command of a message, by its place, or where it gave an execution away, by its id.

    The state may be half changed.
    """

    def __init__(self, about: int | bytes, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.about = about


class Logic(Protocol):
    """What is particular to a stage, for one partition. All of it is synchronous and without I/O but the table's."""

    strict: bool
    """Whether every offset must be there: true for topics that only we write."""

    def first(self) -> list[Send]:
        """What a takeover sends before anything is read."""
        ...

    def handle(self, message: Incoming, skip: Container[int | bytes] = ()) -> int | None:
        """Take one message, but for the commands at the places in `skip`, and the executions with the ids in it.

        Where too much waits to be saved on the way: the place of the first command that is left for after the save, or
        the number of commands where only what follows from all of them is left.
        Raises PoisonError where it cannot be read, BugError where our own code fails.
        """
        ...

    def weight(self) -> int:
        """Bytes that wait to be saved, roughly; the loop saves before they are too many."""
        ...

    def outputs(self) -> tuple[list[Send], list[Send]]:
        """What the batch sends at once, and what after the next save."""
        ...

    def changes(self) -> Changes:
        """What has changed since the last save."""
        ...

    def saved(self) -> None:
        """The changes are durable."""
        ...

    def ring(self, now: int) -> list[Send]:
        """Timers that are due, as messages to the stage's own log."""
        ...

    def next_timer(self, now: int) -> int:
        """When `ring` is wanted next, epoch milliseconds."""
        ...


def letter(
    reason: str, stage: str, log: tuple[str, int], message: Incoming, *, index: int = 0, **about: Any
) -> Refused:
    """A dead letter about a message of `log`, a topic and its partition, or about the command at `index` in it.

    `about`: fields by which whoever ordered it finds it.
    """
    first = message.value[:FIRST_BYTES].decode("utf-8", "backslashreplace")
    return Refused(reason, stage, *log, message.offset, message.at, first, index=index, **about)
