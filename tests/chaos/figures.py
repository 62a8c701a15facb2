"""How long things stood still, by the log's own times."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pipelines.ids import home_of, to_text
from streams.engine.commands import Assign, Beat, Run
from streams.envelope import lane_messages, task_commands
from streams.settings import Settings
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Strike
from tests.history.facts import Step

ON_ITS_WAY = 20
"""Milliseconds for which a message of a killed process may still arrive."""


def takeovers(strikes: list[Strike], found: Evidence, settings: Settings) -> list[float]:
    """Seconds from the last dispatch before to the first after a scheduler's kill, on each partition that it owned."""
    dispatched = _dispatched(found, settings)
    proposed = [r.timestamp for r, command in _commands(found, found.topics.tasks) if isinstance(command, Assign)]
    times = {("tasks", home): [at for at, _, _, where in dispatched if where == home] for _, _, _, home in dispatched}
    times["ready", 0] = sorted(proposed)
    killed = alone(strikes, "scheduler", settings.session_timeout)
    gaps = (_gap(times[owned], s.at) for s in killed for owned in _owned(found, s) if owned in times)
    return [gap for gap in gaps if gap is not None]


def redispatches(strikes: list[Strike], found: Evidence, settings: Settings) -> list[float]:
    """Seconds from a worker's kill to the next dispatch of each execution that it took with it."""
    names: defaultdict[int, set[str]] = defaultdict(set)
    for command in (command for message in found.history.ready or () for command in message):
        if isinstance(command, Beat):
            names[command.pid].add(command.worker)
    given: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for at, execution, attempt, _ in _dispatched(found, settings):
        given[execution].append((at, attempt))
    taken = list(lost(found.history.steps or []))
    seconds = []
    for strike in alone(strikes, "worker", settings.lease):
        for execution, attempt in (before for worker, *before in taken if worker in names[strike.pid]):
            again = [at for at, number in given[str(execution)] if number > int(attempt)]
            seconds += [(min(again) - strike.at) / 1000] if again else []
    return seconds


def alone(strikes: list[Strike], role: str, seconds: float) -> list[Strike]:
    """The kills of a role that were followed by no fault of who decides within so long, and half of it again."""
    others = [strike.at for strike in strikes if strike.role in {"scheduler", "kafka"}]
    kills = (strike for strike in strikes if (strike.what, strike.role) == ("kill", role))
    return [s for s in kills if not any(s.at < other < s.at + 1500 * seconds for other in others)]


def spread(seconds: list[float]) -> dict[str, float]:
    """Count, median, 95th percentile and the longest."""
    if not seconds:
        return {"count": 0}
    ranked = sorted(seconds)
    p50, p95 = (ranked[min(len(ranked) * share // 100, len(ranked) - 1)] for share in (50, 95))
    return {"count": len(ranked), "p50": round(p50, 2), "p95": round(p95, 2), "max": round(ranked[-1], 2)}


def counted(strikes: Iterable[Strike]) -> dict[str, int]:
    """How often what was done to whom."""
    return dict(sorted(Counter(f"{strike.what} {strike.role}" for strike in strikes).items()))


def _gap(times: list[float], at: float) -> float | None:
    before = [t for t in times if t <= at + ON_ITS_WAY]
    after = [t for t in times if t > at + ON_ITS_WAY]
    return (after[0] - before[-1]) / 1000 if before and after else None


def _owned(found: Evidence, strike: Strike) -> list[tuple[str, int]]:
    """The partitions that a scheduler said were its own, in its last word before."""
    words = [
        msgspec.json.decode(record.value)
        for tp, records in found.logs.items()
        if tp.topic == found.topics.status
        for record in records
        if record.value and (record.key or b"").startswith(b"role/scheduler-")
    ]
    said = [word for word in words if word["pid"] == strike.pid and word["at"] <= strike.at]
    newest = max(said, key=lambda word: word["at"], default={"partitions": {}})
    return [(table, number) for table, numbers in newest["partitions"].items() for number in numbers]


def lost(steps: list[Step]) -> Iterator[tuple[str, str, int]]:
    """Worker, execution and attempt of what a worker took with it."""
    last: dict[str, Step] = {}
    for step in steps:
        before = last.get(step.execution)
        if before and step.version <= before.version:
            continue
        if before and step.losses > before.losses:
            yield before.worker, step.execution, before.attempt
        last[step.execution] = step


def _dispatched(found: Evidence, settings: Settings) -> list[tuple[float, str, int, int]]:
    """When, which execution, which attempt and from which partition."""
    return sorted(
        (record.timestamp, to_text(c.job.execution), c.job.attempt, home_of(c.job.execution, settings.task_partitions))
        for record, c in _commands(found, found.topics.dispatch)
        if isinstance(c, Run)
    )


def _commands(found: Evidence, topic: str) -> Iterator[tuple[Any, Any]]:
    """Each command in a topic with the message in which it came; what cannot be read is somebody's poison."""
    read = lane_messages if topic == found.topics.dispatch else task_commands
    for record in (record for tp, records in found.logs.items() if tp.topic == topic for record in records):
        try:
            yield from ((record, command) for command in read(record.value or b""))
        except msgspec.MsgspecError:
            continue
