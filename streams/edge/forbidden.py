"""What an execution's standing forbids: said to the caller at once, for whom the scheduler would make a dead letter.

The history may be behind: of its rows only the end of an execution is final. All else the scheduler decides: then
each of these functions returns None in place of a reason.
"""

from pipelines.views import TERMINAL_STATES, ExecutionRow
from streams.edge.reads import Reads
from streams.engine.rejections import ended_already, not_ended, not_external, not_running


def cancelling(row: ExecutionRow) -> str | None:
    """Why it cannot be cancelled."""
    return ended_already(row) if row.state in TERMINAL_STATES else None


def retrying(reads: Reads, execution: bytes) -> str | None:
    """Why it cannot be retried, as the live tail has heard of it."""
    heard = reads.heard([execution]).get(execution)
    return not_ended(heard) if heard and heard.state not in TERMINAL_STATES else None


def finishing(row: ExecutionRow) -> str | None:
    """Why it will never be finished by an event."""
    if row.kind != "external":
        return not_external(row)
    return not_running(row) if row.state in TERMINAL_STATES else None
