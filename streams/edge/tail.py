"""An execution's output as it comes."""

import asyncio
from collections.abc import AsyncIterator

from pipelines.ids import ExecutionId
from pipelines.views import TERMINAL_STATES, LogView
from streams.edge.reads import Reads

PAUSE = 0.3
"""Seconds between two looks."""

LINES = 500

QUIET = 5
"""Looks without a new line after which the output of an ended execution is complete: lines reach history later."""


async def follow(reads: Reads, execution: ExecutionId, after: str) -> AsyncIterator[LogView]:
    """Lines after a cursor; ends once the execution has ended and no more lines come."""
    quiet = 0
    while quiet < QUIET:
        row, lines = await reads.output(execution, after, LINES)
        for line in lines:
            yield line
        after = lines[-1].cursor if lines else after
        over = row is not None and row.state in TERMINAL_STATES
        quiet = quiet + 1 if over and not lines else 0
        await asyncio.sleep(0 if lines else PAUSE)
