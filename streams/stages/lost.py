"""What a scheduler's log says of a worker that was lost: a stage says it when it is durable, so that no replay does."""

from collections.abc import Sequence

from pipelines.command import command
from streams.engine.dispatch import WorkerRecord
from streams.engine.events import Moved, RecordedEvent
from streams.engine.records import TERMINAL, State


def silent(worker: WorkerRecord, silence: int) -> str:
    """That a worker is taken for dead, after so many milliseconds."""
    return (
        f"worker {worker.worker!r} of pool {worker.pool!r} (process {worker.pid} on {worker.host!r}) has said nothing "
        f"for {silence / 1000:.1f} s and is taken for dead: others get what it had; what may not run twice ends as lost"
    )


def with_it(worker: str, events: Sequence[RecordedEvent]) -> list[str]:
    """What became of the executions that a lost worker had, in a line, by what happened then; none: it had none."""
    states = [event.execution.state for event in events if isinstance(event, Moved) and event.lost]
    lost, ended = states.count(State.LOST), sum(state in TERMINAL for state in states)
    what = {
        "dispatched again": len(states) - ended,
        "failed, since others were lost with them before": ended - lost,
        f"ended as lost, since they may not run twice (`{command('list --state lost')}`: look whether they did their "
        f"work, and `{command('retry')}` what did not)": lost,
    }
    said = "; ".join(f"{count:,} {how}" for how, count in what.items() if count)
    return [f"of what worker {worker!r} had when it was lost: {said}"] if said else []
