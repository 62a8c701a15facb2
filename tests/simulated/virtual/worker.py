"""The role `worker` in virtual time: its own incarnations, credits, lease, line and pace. Its kind of task is a script.

A task's payload says how long its code takes and how each attempt ends; the code tells the witness when it starts and
when it ends. Only the warm processes are left away: what runs, runs in the worker's own loop.
"""

import asyncio
from collections.abc import Callable

from pipelines.ids import to_text
from streams.settings import Settings
from streams.worker.incarnation import Incarnation
from streams.worker.kinds.base import Attempt
from streams.worker.outcomes import KindError, Outcome
from streams.worker.output import LogSender
from streams.worker.pace import Pace
from streams.worker.processes import Processes
from streams.worker.tools import Tools
from streams.worker.worker import _live
from tests.simulated.virtual.kafka import Producer

Witness = Callable[[str, str, int, str, str], None]
"""Called with word, execution, attempt, worker, outcome."""


class Code:
    """A kind of task that does what its payload says: {"seconds": 0.05, "ends": ["failed", "succeeded"]}."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def run(self, attempt: Attempt) -> Outcome:
        """Start, take a while, end as the script says for this attempt."""
        job, script = attempt.job, attempt.payload
        ends = script["ends"]
        outcome = ends[min(job.number, len(ends)) - 1]
        name = to_text(job.execution)
        self._witness("start", name, job.number, job.worker, "")
        await asyncio.sleep(script["seconds"])
        self._witness("end", name, job.number, job.worker, outcome)
        if outcome == "succeeded":
            return Outcome("succeeded", b"%d" % job.number)
        raise KindError("it was told to fail")

    async def close(self) -> None:
        """Nothing is shared."""


class NoProcesses(Processes):
    """Warm processes, none of them."""

    def _spawn(self) -> None:
        """Nothing here needs one."""


async def run_worker(settings: Settings, producer: Producer, witness: Witness, stopping: asyncio.Event) -> None:
    """See streams.worker.worker.run_worker."""
    await producer.start()
    lines = LogSender(producer, settings)
    tools = Tools(
        settings, producer, lines, NoProcesses(settings, lines), {"python": Code(witness)}, Pace(settings.slots, 0.02)
    )
    while not stopping.is_set():
        await _live(Incarnation(tools, stopping, asyncio.Event()), stopping)
