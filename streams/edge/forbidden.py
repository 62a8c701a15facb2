"""What an execution's standing forbids: said to the caller at once, for whom the scheduler would make a dead letter."""

from pipelines.views import TERMINAL_STATES, ExecutionRow
from streams.engine import commands as c


def cancelling(row: ExecutionRow) -> str | None:
    """Why it cannot be cancelled; none: it can."""
    return f"it is {row.state} already" if row.state in TERMINAL_STATES else None


def retrying(row: ExecutionRow) -> str | None:
    """Why it cannot be retried; none: it can."""
    return None if row.state in TERMINAL_STATES else f"it is {row.state}: only what has ended can be retried"


def finishing(row: ExecutionRow) -> str | None:
    """Why it will never be finished by an event; none: it may be."""
    if row.kind != "external":
        return f"it is of kind {row.kind}: only external executions are finished by event"
    return f"{cancelling(row)}: only a running execution can be finished" if cancelling(row) else None


def ordered(command: c.TaskCommand, row: ExecutionRow) -> str | None:
    """Why the order cannot be carried out; none: the scheduler decides."""
    match command:
        case c.Cancel():
            return cancelling(row)
        case c.Retry():
            return retrying(row)
        case c.Finish():
            return finishing(row)
    return None
