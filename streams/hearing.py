"""Waiting for the brokers' word, and saying what comes of it: in the log, and in errors."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed, RequestTimedOutError

from pipelines.command import command
from streams.acknowledged import Word, has_failed

SILENCE = 3.0
"""Seconds without their word after which a log line says what is waited for."""

ACKNOWLEDGED, ANSWERED = "acknowledged all that was sent", "answered"
"""What brokers are waited for to have done."""

log = logging.getLogger(__name__)


class BrokerError(KafkaError):  # type: ignore[misc]  # aiokafka is not typed
    """The brokers cannot be reached, or did not acknowledge in time what was sent; some of it may be durable."""

    def __str__(self) -> str:
        """The sentence alone."""
        return str(self.args[0])


class Hearing:
    """What one client hears of its brokers."""

    def __init__(self, kafka: str, within: float) -> None:
        """`kafka`: their addresses; `within`: seconds that they have for each answer."""
        self.brokers = f"the Kafka broker at {kafka} (HEADRACE_KAFKA)"
        self._within = within
        self._open: set[Word] = set()
        self._missed: set[Word] = set()  # the open ones that a log line spoke of
        self._told = False  # what is waited for, and it has not come yet

    @asynccontextmanager
    async def wait(self, what: str = ACKNOWLEDGED) -> AsyncIterator[None]:
        """Wait inside for so long until the brokers have done so; where that is long, say so. Raises BrokerError."""
        telling = asyncio.get_running_loop().call_later(SILENCE, self._tell, what)
        try:
            async with asyncio.timeout(self._within):
                yield
        except TimeoutError as error:  # ours, whose own cause says nothing
            raise self.broken(error, what) from None
        except KafkaError as error:
            raise self.broken(error, what) from error
        finally:
            telling.cancel()
            self._told = bool(self._missed)

    def expect(self, word: Word) -> None:
        """A message has been sent.

        Its word is looked at: who waited for it may have given up, and asyncio complains of an error nobody asks for.
        """
        self._open.add(word)
        word.add_done_callback(self._heard)

    def broken(self, error: BaseException, what: str = ACKNOWLEDGED) -> BrokerError:
        """What is said of a broker's error, or of its silence."""
        if isinstance(error, ProducerClosed):
            return BrokerError(f"the client was stopped before {self.brokers} had {what}")
        late = isinstance(error, TimeoutError | KafkaTimeoutError | RequestTimedOutError)
        why = f" within {self._within:g} s" if late else f": {error!r}"
        return BrokerError(f"{self.brokers} has not {what}{why}; `{command('doctor')}` says more")

    def _tell(self, what: str) -> None:
        if not self._told:
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - SILENCE))
            line = "%s has not %s since %s; it is waited for, %g s in all"
            log.warning(line, self.brokers, what, since, self._within)
            self._missed, self._told = set(self._open), True

    def _heard(self, word: Word) -> None:
        has_come = not has_failed(word)
        self._open.discard(word)
        if word in self._missed:
            self._missed.discard(word)
            self._told = bool(self._missed)
            if has_come and not self._told:
                log.warning("%s has acknowledged all of that now", self.brokers)
