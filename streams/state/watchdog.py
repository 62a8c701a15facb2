"""Ends a process that owns partitions and does not get on: a hung owner is worse than none."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.state.exits import CRASHED, stop_process

log = logging.getLogger(__name__)

STUCK_AFTER = 60.0
"""Seconds."""

CHECK_EVERY = 5.0

Lag = Callable[[], Awaitable[Mapping[TopicPartition, tuple[int, int]]]]
"""How far each input is applied, and where it ends."""


class Watchdog:
    """Two watches: a thread that sees whether the event loop turns, a task that sees whether inputs get on."""

    def __init__(self, lag: Lag, *, stuck_after: float = STUCK_AFTER, check_every: float = CHECK_EVERY) -> None:
        self._lag = lag
        self._limit = max(2, round(stuck_after / check_every))
        self._every = check_every
        self._turns = 0
        self._stopped = threading.Event()
        self._still: dict[TopicPartition, tuple[int, int]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        main = threading.get_ident()
        threading.Thread(target=self._watch_loop, args=(main,), name="watchdog", daemon=True).start()
        try:
            while True:
                await asyncio.sleep(self._every)
                self._turns += 1
                await self._watch_inputs()
        finally:
            self._stopped.set()

    def _watch_loop(self, main: int) -> None:
        """Count the looks, not the seconds: a machine that slept did not hang."""
        seen, same = -1, 0
        while not self._stopped.wait(self._every):
            same = same + 1 if self._turns == seen else 0
            seen = self._turns
            if same >= self._limit:
                frame = sys._current_frames().get(main)  # noqa: SLF001  (made for this)
                where = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
                stop_process(CRASHED, f"the event loop did not turn for {same * self._every:.0f} s:\n{where}")

    async def _watch_inputs(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                lag = await self._lag()
        except (KafkaError, TimeoutError):
            return  # a broker that is away explains a standstill
        self._still = {tp: self._looks(tp, applied) for tp, (applied, end) in lag.items() if applied < end}
        for tp, (applied, looks) in self._still.items():
            if looks >= self._limit:
                stop_process(
                    CRASHED,
                    f"{tp.topic}-{tp.partition} stands at offset {applied} for {looks * self._every:.0f} s, "
                    f"though it goes on to {lag[tp][1]}",
                )

    def _looks(self, tp: TopicPartition, applied: int) -> tuple[int, int]:
        before, looks = self._still.get(tp, (applied, 0))
        return applied, looks + 1 if before == applied else 0
