"""One address and its deliveries: one at a time, each with its own attempts, none holding up another address.

Apprise blocks, so it works in a thread. A thread cannot be stopped: one that hangs keeps its target busy, and its
target only, and dies with the process.
"""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable

import structlog
from apprise import Apprise

from sinks.notify.addresses import RefusedAddress, Undelivered, open_address, send, shown, without_secrets
from sinks.notify.text import Text
from streams.settings import Settings

LONGEST_DELAY = 60.0
"""Seconds between two attempts at most."""

_log = structlog.get_logger(__name__)


class GivenUp(Exception):  # noqa: N818  (an outcome)
    """All attempts were in vain: its sentence says how many, and what the last one said."""


class Target:
    """An address. Deliveries to it may be asked for at any time, by any number of tasks of one event loop."""

    def __init__(self, address: str, settings: Settings) -> None:
        """Nothing is opened yet."""
        self.address = address
        self.name = shown(address)
        self.waiting = 0
        self._settings = settings
        self._free = asyncio.Lock()
        self._succeeded = 0
        self._opened: Apprise | None = None

    async def deliver(self, text: Text, happening: str) -> int:
        """Deliver it, and say which attempt succeeded. Raises RefusedAddress, or GivenUp after the last attempt."""
        self.waiting += 1
        try:
            return await self._deliver(text, happening)
        finally:
            self.waiting -= 1

    async def _deliver(self, text: Text, happening: str) -> int:
        delay = self._settings.notify_delay
        for attempt in range(1, self._settings.notify_attempts + 1):
            try:
                await self._attempt(text, happening)
            except Undelivered as error:
                said = without_secrets(str(error), self.address)
                _log.info("notification_attempt_failed", target=self.name, attempt=attempt, error=said)
            else:
                return attempt
            if attempt < self._settings.notify_attempts:
                await asyncio.sleep(min(delay, LONGEST_DELAY))
                delay *= 2
        raise GivenUp(f"{self.name} accepted none of {self._settings.notify_attempts} attempts; the last: {said}")

    async def _attempt(self, text: Text, happening: str) -> None:
        await self._turn()
        done = _in_thread(functools.partial(self._send, text, happening), self._free.release)
        try:
            await asyncio.wait_for(done, self._settings.notify_timeout)
        except TimeoutError:
            raise Undelivered(f"no answer within {self._settings.notify_timeout:g} s") from None
        self._succeeded += 1

    async def _turn(self) -> None:
        """Wait until the target is free. Raises Undelivered when nothing has got through it for a whole timeout."""
        while True:
            before = self._succeeded
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.notify_timeout):
                    await self._free.acquire()
                return
            if self._succeeded == before:
                raise Undelivered("an earlier notification to it still hangs")

    def _send(self, text: Text, happening: str) -> None:
        """Runs in a thread; opening an address loads its service."""
        if self._opened is None:
            self._opened = open_address(self.address)
        send(self._opened, text, happening, private=self._settings.http_private)


def _in_thread(work: Callable[[], None], at_end: Callable[[], None]) -> "asyncio.Future[None]":
    """Run `work` in a thread of its own that nobody waits for at exit; `at_end` is called when it has really ended."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        at_end()
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except (RefusedAddress, Undelivered) as expected:
            error = expected
        except Exception as surprise:  # noqa: BLE001  (a service's own code: whatever it raises, it did not deliver)
            error = Undelivered(f"{type(surprise).__name__}: {surprise}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=run, name="notify", daemon=True).start()
    return future
