"""Who waits for the first decision on a command."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from streams.engine.events import Refused

Key = bytes | str
"""An execution's id, or what `task_key`, `pipeline_key` and `run_key` make."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The scheduler did what was asked; `state` is where the execution stands now (none: no execution)."""

    what: str
    state: str | None = None


Decision = Decided | Refused


@dataclass(slots=True, eq=False)
class _Waiter:
    future: asyncio.Future[Decision | None]
    steps: Collection[str]
    ordered_at: int | None

    def hears(self, decision: Decision) -> bool:
        """Whether it is an answer: of refusals that of one's own order, as far as they name any."""
        if isinstance(decision, Refused):
            return None in {self.ordered_at, decision.ordered_at} or self.ordered_at == decision.ordered_at
        return not self.steps or decision.what in self.steps


def task_key(task: str) -> str:
    """The key of decisions about a task's definition."""
    return f"task {task!r}"


def pipeline_key(pipeline: str) -> str:
    """The key of decisions about a pipeline as a whole."""
    return f"pipeline {pipeline!r}"


def run_key(pipeline: str, run: str) -> str:
    """The key of decisions about a pipeline's run."""
    return f"pipeline {pipeline!r} in run {run!r}"


class Waiters:
    """Futures by what they wait for. To be used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Key, set[_Waiter]] = {}
        self._has_let_go = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @contextmanager
    def expect(
        self, key: Key, steps: Collection[str] = (), ordered_at: int | None = None
    ) -> Iterator[asyncio.Future[Decision | None]]:
        """A future of the next decision on `key`; with `steps`, only these (and refusals) count; none: let go.

        `ordered_at`: the moment of the order, by which its refusal is told from those of others.
        """
        waiter = _Waiter(asyncio.get_running_loop().create_future(), steps, ordered_at)
        self._waiting.setdefault(key, set()).add(waiter)
        if self._has_let_go:
            waiter.future.set_result(None)
        try:
            yield waiter.future
        finally:
            waiter.future.cancel()
            same = self._waiting[key]
            same.discard(waiter)
            if not same:
                del self._waiting[key]

    def decided(self, key: Key, decision: Decision) -> None:
        """Tell those who wait for `key`."""
        for waiter in self._waiting.get(key, ()):
            if waiter.hears(decision) and not waiter.future.done():
                waiter.future.set_result(decision)

    def let_go(self) -> None:
        """Tell all who wait, from now on too, that no decision is heard any more."""
        self._has_let_go = True
        for waiter in chain.from_iterable(self._waiting.values()):
            if not waiter.future.done():
                waiter.future.set_result(None)

    def refused_by_name(self, refused: Refused) -> None:
        """A refusal without an execution names the task or pipeline in its reason: tell those who wait for it."""
        for key in [k for k in self._waiting if isinstance(k, str)]:
            if key.partition(" in run ")[0] in refused.reason:
                self.decided(key, refused)
