"""How long things stood still, by the times of the messages in the logs."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from streams.engine.commands import Beat
from tests.chaos.evidence import Evidence, Times
from tests.chaos.stage import Strike
from tests.history.facts import Step

ON_ITS_WAY = 20
"""Milliseconds for which a message of a killed process may still arrive."""

RECENT = 60_000
"""Milliseconds for which what a process said of itself counts: numbers of processes come again within hours."""

GAP_WITHIN = 10_000
"""Milliseconds after the last fault in which a gap is its own."""

Owned = tuple[str, int]
"""A table and a partition of it."""


class Loss(NamedTuple):
    """An attempt that died with its worker: seconds from the kill until that was known, and to the next dispatch."""

    execution: str
    known: float
    dispatched: float | None


def dispatches(times: Times) -> dict[Owned, list[float]]:
    """When each partition gave something away: homes an attempt to a worker, the line a place in it to a home."""
    found: defaultdict[Owned, list[float]] = defaultdict(list)
    for at, _, _, home in times.dispatched:
        found["tasks", home].append(at)
    found["ready", 0] = times.proposed
    return found


def takeovers(strikes: list[Strike], found: Evidence) -> list[float]:
    """Seconds from the last dispatch before each of these kills to the first after, on its scheduler's partitions."""
    times, words = dispatches(found.times), _words(found.times)
    gaps = (_gap(times[owned], s.at) for s in strikes for owned in _owned(words[s.pid], s.at) if owned in times)
    return [gap for gap in gaps if gap is not None]


def losses(strikes: list[Strike], found: Evidence) -> list[Loss]:
    """What each of these kills of workers took along, in the order of how long it waited for another worker."""
    beats: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for command in (command for message in found.history.ready or () for command in message):
        if isinstance(command, Beat):
            beats[command.pid][command.worker] = command.at
    given: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for at, execution, attempt, _ in found.times.dispatched:
        given[execution].append((at, attempt))
    taken: defaultdict[str, list[Step]] = defaultdict(list)
    for worker, step in lost(found.history.steps or []):
        taken[worker].append(step)
    found_lost = []
    for strike in strikes:
        names = [name for name, at in beats[strike.pid].items() if strike.at - RECENT < at <= strike.at]
        for step in (step for name in names for step in taken[name] if step.at > strike.at):
            again = [at for at, number in given[step.execution] if number > step.attempt]
            waited = (min(again) - strike.at) / 1000 if again else None
            found_lost.append(Loss(step.execution, (step.at - strike.at) / 1000, waited))
    return sorted(found_lost, key=lambda loss: loss.dispatched or 0)


def gaps(strikes: list[Strike], found: Evidence, what: str, load_ended: float) -> list[float]:
    """The longest time without a dispatch on each partition, from each such fault of a scheduler to the next fault.

    `load_ended`: epoch milliseconds. Later there is little to dispatch, so that what stands still at that moment counts
    as far as it has come.
    """
    all_times = dispatches(found.times)
    times = {owned: [*(at for at in those if at < load_ended), load_ended] for owned, those in all_times.items()}
    ends, longest = [strike.at for strike in strikes], []
    for strike in strikes:
        if (strike.what, strike.role) == (what, "scheduler"):
            end = min((at for at in ends if at > strike.at), default=strike.at + GAP_WITHIN)
            longest += [gap for those in times.values() if (gap := _longest(those, strike.at, end)) is not None]
    return longest


def alone(strikes: list[Strike], role: str, seconds: float) -> list[Strike]:
    """The kills of a role in whose way nothing else came.

    No fault of who decides followed within so long, and half of it again, and the broker had been there for as long.
    """
    deciding = [strike.at for strike in strikes if strike.role in {"scheduler", "kafka"}]
    away = [strike for strike in strikes if strike.role == "kafka"]

    def undisturbed(kill: Strike) -> bool:
        followed = any(kill.at < at < kill.at + 1500 * seconds for at in deciding)
        return not followed and not any(s.at < kill.at < s.over + 1500 * seconds for s in away)

    return [strike for strike in killed(strikes, role) if undisturbed(strike)]


def killed(strikes: list[Strike], role: str) -> list[Strike]:
    """The kills of a role."""
    return [strike for strike in strikes if (strike.what, strike.role) == ("kill", role)]


def rate(found: Evidence, since: float, until: float) -> float:
    """Dispatches a second between two moments, epoch milliseconds; since the first one where that is later."""
    times = [one.at for one in found.times.dispatched if since <= one.at < until]
    return round(1000 * len(times) / (until - max(since, times[0])), 1) if times else 0.0


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


def lost(steps: list[Step]) -> Iterator[tuple[str, Step]]:
    """What each worker took with it: its name, and the step that says so, which still names the attempt."""
    last: dict[str, Step] = {}
    for step in steps:
        before = last.get(step.execution)
        if before and step.version <= before.version:
            continue
        if before and step.losses > before.losses:
            yield before.worker, step
        last[step.execution] = step


def _gap(times: list[float], at: float) -> float | None:
    """Seconds from the last of these times before to the first after; none where there is no such."""
    after = bisect_right(times, at + ON_ITS_WAY)
    return (times[after] - times[after - 1]) / 1000 if 0 < after < len(times) else None


def _longest(times: list[float], since: float, until: float) -> float | None:
    """Seconds of the longest gap that ends in between, or is not over then."""
    first, last = bisect_right(times, since), bisect_right(times, until)
    around = times[max(first - 1, 0) : last + 1]
    return max(((after - before) / 1000 for before, after in pairwise(around)), default=None)


def _words(times: Times) -> defaultdict[int, list[tuple[float, list[Owned]]]]:
    """What each scheduler said, by its process: when, and which partitions were its own."""
    found: defaultdict[int, list[tuple[float, list[Owned]]]] = defaultdict(list)
    for word in times.words:
        owned = [(table, number) for table, numbers in word["partitions"].items() for number in numbers]
        found[word["pid"]].append((word["at"], owned))
    return found


def _owned(words: list[tuple[float, list[Owned]]], at: float) -> list[Owned]:
    """The partitions that a scheduler said were its own, in its last word before."""
    recent = (word for word in words if at - RECENT < word[0] <= at)
    return max(recent, default=(0.0, []), key=lambda word: word[0])[1]
