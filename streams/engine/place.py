"""Where an execution goes once it is due: into the line, into a blocked wait, or to its end."""

from typing import Any

from pipelines.model import UNATTENDED
from streams.engine.records import Execution, State
from streams.engine.timers import PATIENCE
from streams.engine.trigger import Verdict, judge


def place(record: Execution, now: int) -> dict[str, Any]:
    """The changes that put a due record where its trigger rule says it belongs."""
    match judge(record.trigger, [outcome for _, _, outcome in record.upstream]):
        case Verdict.RUN:
            return enter(record, now)
        case Verdict.WAIT:
            return {"state": State.BLOCKED, "reason": "waits for its upstream tasks"}
        case Verdict.SKIP:
            return ended(State.SKIPPED, now, _because(record))
        case Verdict.UPSTREAM_FAILED:
            return ended(State.UPSTREAM_FAILED, now, _because(record))


def enter(record: Execution, now: int) -> dict[str, Any]:
    """The changes of one that may run now: it stands in line, or runs at once where no worker is needed.

    Who had a place keeps its deadline, so that who came later does not overtake who was lost with a worker.
    """
    if record.kind in UNATTENDED:
        return {
            "state": State.RUNNING,
            "attempt": record.attempt + 1,
            "ready_at": now,
            "dispatched_at": now,
            "started_at": now,
            "finished_at": 0,
            "reason": "",
        }
    return {
        "state": State.WAITING,
        "ready_at": now,
        "deadline": record.deadline or now + (record.max_latency or PATIENCE),
        "dispatched_at": 0,
        "started_at": 0,
        "finished_at": 0,
        "lane": -1,
        "reason": "",
    }


def ended(state: State, now: int, reason: str) -> dict[str, Any]:
    """The changes that end an execution."""
    return {"state": state, "finished_at": now, "reason": reason}


def _because(record: Execution) -> str:
    told = [f"{task} {outcome}" for _, task, outcome in record.upstream if outcome]
    return f"{record.trigger} cannot hold: {', '.join(told[:3])}" + (", ..." if len(told) > 3 else "")  # noqa: PLR2004  (a sentence, not a list)
