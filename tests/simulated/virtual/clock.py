"""Virtual time, and processes that can be stopped or killed between any two steps.

An asyncio event loop without sockets: where nothing is runnable it jumps to its next timer. Every callback carries the
process that it belongs to in its context; those of a killed process never run again, not even their `finally`, and
those of a paused one run when it goes on, as after SIGCONT. A process can also be told to die after its n-th step from
now, which is how a crash comes to fall between any two awaits.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

EPOCH = 1_700_000_000.0
"""The wall clock's seconds at the beginning of every simulation."""


class Process:
    """What dies and pauses as one. `on_death` is called once, outside of it."""

    def __init__(self, name: str, on_death: Callable[["Process"], None]) -> None:
        self.name = name
        self.dead = self.paused = False
        self.steps_left = -1
        self._on_death = on_death
        self.backlog: list[asyncio.Handle] = []

    def __repr__(self) -> str:
        return self.name

    def kill(self) -> None:
        """SIGKILL."""
        if not self.dead:
            self.dead = True
            self._on_death(self)

    def pause(self) -> None:
        """SIGSTOP."""
        self.paused = True

    def resume(self, loop: "VirtualLoop") -> None:
        """SIGCONT: whatever came up meanwhile happens now."""
        self.paused = False
        loop.runnable.extend(self.backlog)
        self.backlog.clear()

    def start(self, loop: "VirtualLoop", work: Coroutine[Any, Any, None]) -> None:
        """Run something in it."""
        loop.processes.append(self)
        context = contextvars.copy_context()
        context.run(CURRENT.set, self)
        loop.create_task(work, name=self.name, context=context)

    def may_run(self) -> bool:
        """Whether a step of it happens now; counts down to its death."""
        if self.dead or self.paused:
            return False
        self.steps_left -= 1
        if self.steps_left == 0:
            self.kill()
        return not self.dead


CURRENT: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in order; time passes only while there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.steps = self._count = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.runnable: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # asyncio's own
        """What happens next."""
        self.processes: list[Process] = []
        self.sealed = False
        """At the very end: nothing has any effect any more, and the killed may clean up."""
        self.set_exception_handler(lambda _loop, _context: None)  # nobody awaits what the dead have left behind

    def time(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def _run_once(self) -> None:
        ready = self.runnable
        if not ready:
            self._jump()
        handle = ready.popleft()
        if handle._cancelled:
            return
        process = handle._context.get(CURRENT)
        if self.sealed or process is None or process.may_run():
            self.steps += 1
            handle._run()
        else:
            process.backlog.append(handle)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        """Kept as tuples: comparing those costs a quarter of comparing handles."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise RuntimeError("nothing will ever happen again in this simulation")
        self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            self.runnable.append(heapq.heappop(timers)[2])

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""

    def run_in_executor(self, _executor: Executor | None, func: Callable[..., Any], *args: Any) -> Awaitable[Any]:  # type: ignore[override]
        """What would run in a thread happens at once."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (as a thread would hand it over)
            done.set_exception(error)
        return done

    def end(self) -> None:
        """Cancel all that is left, the killed too, and close."""
        self.sealed = True
        for process in self.processes:
            self.runnable.extend(process.backlog)
        while left := asyncio.all_tasks(self):
            for task in sorted(left, key=lambda t: t.get_name()):
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=1.0))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """While inside, every clock of the program shows the loop's time. Whoever uses the loop ends it."""
    loop = VirtualLoop()
    with patch("time.time", lambda: EPOCH + loop.now), patch("time.monotonic", lambda: loop.now):
        yield loop
