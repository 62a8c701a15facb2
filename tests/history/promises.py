"""The promises I1 to I11, one function each: a history in, violations out."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from sinks.notify.addresses import shown
from tests.history.facts import TERMINAL, History, Step, Violation, Witnessed
from tests.history.order import strict_loans, strict_order
from tests.history.rules import may_run

LOSSES = 10
"""Workers that an execution may take down before it fails (docs/states.md)."""

HAPPENINGS = {
    "succeeded": "completed",
    "failed": "failed",
    "upstream_failed": "failed",
    "retrying": "retried",
    "lost": "lost",
    "late": "late",
}


def acknowledged_ends(h: History) -> Iterator[Violation]:
    """I1: every acknowledged submission reaches a visible terminal state."""
    rows = {row.execution: row.state for row in h.rows or ()}
    for asked in h.asked:
        if asked.what == "submit" and asked.outcome == "ok" and rows.get(asked.execution) not in TERMINAL:
            yield Violation("I1", asked.execution, f"acknowledged, and its row says {rows.get(asked.execution)!r}")


def starts_at_most_once(h: History) -> Iterator[Violation]:
    """I2: an at-most-once task starts at most once, and what is said of it is true."""
    starts, ends = _words(h, "start"), _words(h, "end")
    last = _last(h)
    for execution in _those(h, at_most_once=True):
        if len(starts[execution]) > 1:
            yield Violation("I2", execution, f"started {len(starts[execution])} times: {starts[execution]}")
        state = last[execution].state if execution in last else ""
        if state == "succeeded" and not ends[execution]:
            yield Violation("I2", execution, "it is said to have succeeded, and nobody saw it end")


def runs_until_it_succeeds(h: History) -> Iterator[Violation]:
    """I3: an at-least-once task ends as its last attempts did, and fails only once its retries are used up."""
    ends, last = _words(h, "end"), _last(h)
    for execution in _those(h, at_most_once=False):
        if (step := last.get(execution)) is None:
            continue
        failures = sum(end.outcome == "failed" for end in ends[execution])
        if step.state == "lost":
            yield Violation("I3", execution, "an at-least-once execution was given up as lost")
        if step.state == "failed" and step.losses < LOSSES and failures <= h.tasks[execution].retries:
            yield Violation("I3", execution, f"it failed after {failures} failures of its code, which may retry")
        if step.state == "succeeded" and not any(end.outcome == "succeeded" for end in ends[execution]):
            yield Violation("I3", execution, "it is said to have succeeded, and nobody saw that")


def starts_after_its_upstream(h: History) -> Iterator[Violation]:
    """I4: nothing starts before its time, nor before its trigger rule holds over how its upstream executions ended."""
    ended = {s.execution: s for s in reversed(h.steps or ()) if s.state in TERMINAL}  # the first that said so
    for start in _all(h, "start"):
        task = h.tasks.get(start.execution)
        if task and start.at < task.not_before:
            yield Violation("I4", start.execution, f"{start} before its time, {task.not_before:.0f}")
        if task is None or not task.upstream:
            continue
        outcomes = [ended[u].state if u in ended and ended[u].at <= start.at else "" for u in task.upstream]
        if not may_run(task.trigger, outcomes):
            yield Violation("I4", start.execution, f"{start} with {task.trigger} over {outcomes}")


def the_critical_first(h: History) -> Iterator[Violation]:
    """I5: nothing of a higher priority waits while a lower one is given away (see order)."""
    yield from strict_order(h.ready or [], h.assigned or [])
    yield from strict_loans(h.steps or [], h.assigned or [], {e: task.priority for e, task in h.tasks.items()})


def tables_replay(h: History) -> Iterator[Violation]:
    """I6: each table equals the cold replay of its log."""
    for copy in h.copies or ():
        if different := [k for k in {**copy.live, **copy.replayed} if copy.live.get(k) != copy.replayed.get(k)]:
            key = min(different)
            evidence = f"{copy.name}: {len(different)} keys differ, as {key!r}: {copy.live.get(key)!r:.150}"
            yield Violation("I6", "", f"{evidence}, replayed {copy.replayed.get(key)!r:.150}")


def one_terminal_row(h: History) -> Iterator[Violation]:
    """I7: one row an execution, none forgotten that has ended, and it says how the log says that it ended."""
    counts, last = Counter(row.execution for row in h.rows or ()), _last(h)
    ended = {execution for execution, step in last.items() if step.state in TERMINAL}
    for execution in sorted(ended | counts.keys()):
        if (count := counts[execution]) != 1:
            yield Violation("I7", execution, f"it has {count} rows")
    for row in h.rows or ():
        step = last.get(row.execution)
        if step and step.state in TERMINAL and (row.state, row.attempt) != (step.state, step.attempt):
            yield Violation("I7", row.execution, f"{row} where the log ends with {step}")


def notifications_arrive(h: History) -> Iterator[Violation]:
    """I8: what happened and was to be told was told, or a dead letter names it with its address (without secrets)."""
    told = {tuple(delivery) for delivery in h.deliveries or ()}
    buried: defaultdict[str, list[str]] = defaultdict(list)
    for letter in h.letters or ():
        if letter.stage == "notify":
            buried[letter.execution].append(letter.reason)
    for step in h.steps or ():
        task, happening = h.tasks.get(step.execution), HAPPENINGS.get(step.what, "")
        for address in [to for on, to in task.notify if on == happening] if task else ():
            given_up = any(_is_about(reason, happening, address) for reason in buried[step.execution])
            if (step.execution, happening, address) not in told and not given_up:
                yield Violation("I8", step.execution, f"nobody told {address} that it {happening}")


def _is_about(reason: str, happening: str, address: str) -> bool:
    """Whether a dead letter's reason is about this one, in the notifier's own words."""
    return reason.startswith(repr(happening)) and shown(address) in reason


def the_end_is_the_end(h: History) -> Iterator[Violation]:
    """I9: no terminal state is left, steps only go forward, and a success is that of the attempt that counts."""
    seen: dict[tuple[str, int], Step] = {}
    last: dict[str, Step] = {}
    succeeded = {(w.execution, w.attempt): w.at for w in _all(h, "end") if w.outcome == "succeeded"}
    for step in h.steps or ():
        first = seen.setdefault((step.execution, step.version), step)
        if first is not step:
            if first != step:
                yield Violation("I9", step.execution, f"{step} repeats {first}, and is another one")
            continue
        before = last.get(step.execution)
        if before and before.state in TERMINAL:
            yield Violation("I9", step.execution, f"{step} after {before}")
        if before and (before.version, before.attempt) > (step.version, step.attempt):
            yield Violation("I9", step.execution, f"{step} goes behind {before}")
        if h.witnessed is not None and step.what == "succeeded" and step.worker:
            at = succeeded.get((step.execution, step.attempt))
            if at is None or at > step.at:
                yield Violation("I9", step.execution, f"{step}, and that attempt had not succeeded by then")
        last[step.execution] = step


def all_drains(h: History) -> Iterator[Violation]:
    """I10: whatever exists has ended by the time that was stated, and no process of ours fell over its own feet."""
    for execution, step in sorted(_last(h).items()):
        if step.state not in TERMINAL:
            yield Violation("I10", execution, f"it never ended: {step}")
    for trouble in h.troubles:
        yield Violation("I10", "", trouble)


def poison_is_buried(h: History) -> Iterator[Violation]:
    """I11: what cannot be read is a dead letter with its reason, and a task that is there to fail says why it did."""
    buried = {letter.place for letter in h.letters or () if letter.reason}
    for asked in h.asked:
        if asked.what == "poison" and asked.outcome == "ok" and asked.place not in buried:
            yield Violation("I11", "", f"the message at {asked.place} cannot be read, and there is no dead letter")
    for row in h.rows or ():
        task = h.tasks.get(row.execution)
        if task and task.fails_with and (row.state != "failed" or task.fails_with not in row.error):
            yield Violation("I11", row.execution, f"{row} where it fails with {task.fails_with!r}")


def _those(h: History, *, at_most_once: bool) -> list[str]:
    return sorted(e for e, task in h.tasks.items() if task.at_most_once == at_most_once)


def _all(h: History, word: str) -> list[Witnessed]:
    return [w for w in h.witnessed or () if w.word == word]


def _words(h: History, word: str) -> defaultdict[str, list[Witnessed]]:
    found: defaultdict[str, list[Witnessed]] = defaultdict(list)
    for witnessed in _all(h, word):
        found[witnessed.execution].append(witnessed)
    return found


def _last(h: History) -> dict[str, Step]:
    """The newest step of each execution, by version."""
    newest: dict[str, Step] = {}
    for step in h.steps or ():
        if step.execution not in newest or newest[step.execution].version < step.version:
            newest[step.execution] = step
    return newest
