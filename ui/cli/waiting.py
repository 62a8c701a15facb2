"""What `--wait` does: it follows what was ordered, and tells how that ended."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from http import HTTPStatus

from rich.json import JSON
from rich.padding import Padding
from rich.text import Text

from pipelines.command import command
from pipelines.ids import execution_id, to_text
from pipelines.requests import LETTERS
from pipelines.views import TERMINAL_STATES, Accepted, DeadLetterView, ExecutionView, Problem
from ui.cli.accepted import remark
from ui.cli.common import Common, print_json
from ui.cli.exits import Exit
from ui.cli.looks import console, notes, safe, state
from ui.client import ApiError, Client, found
from ui.parts import formats

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
VISIBLE_WITHIN = 30.0
"""Seconds in which what was accepted must be seen."""
GOOD = frozenset({"succeeded", "skipped"})
"""Ends that are no failure: who raises `Skip` has decided so."""

HINT_AFTER = 5.0
"""Seconds of waiting after which it is said why."""


class NothingMadeError(ApiError):
    """An order that was accepted made nothing that could be waited for; `what` became of it, and why."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(Problem(title=what, status=HTTPStatus.CONFLICT, detail=why))


class Waited(ExecutionView):
    """How an execution ended that was waited for. `existing`: it was there before the order, which executed nothing."""

    existing: bool = False


def follow(client: Client, accepted: Accepted, common: Common) -> None:
    """Wait for the one execution that was ordered, and print how it ended; ends the process where that is no success.

    Raises ApiError where there will be none.
    """
    if not common.json:
        remark(accepted)
    [seen] = _made(client, accepted, _patience())
    _show_outcome(_waited(client, accepted, seen), common)


def follow_all(client: Client, accepted: Sequence[Accepted], common: Common) -> None:
    """The same for many: a pipeline's run counts as its executions, and what makes none as nothing.

    What came of an execution is printed where it is the only one of the only order.
    """
    until = _patience()
    makers = [one for one in accepted if one.created_at or one.retry_of]
    if not common.json:
        for one in makers:
            remark(one)
    orders = [(one, _made_or_told(client, one, until)) for one in makers]
    views = [_waited(client, one, seen) for one, made in orders for seen in made]
    if common.json:
        print_json(views)
    else:
        _show_outcomes(views)
        if len(accepted) == len(views) == 1:
            _show_result(views[0])
    if not all(made for _, made in orders) or any(view.state not in GOOD for view in views):
        sys.exit(Exit.FAILED)


def _made_or_told(client: Client, accepted: Accepted, until: float) -> list[ExecutionView]:
    """What an order made. Nothing is a failure of that order alone, and said at once, however long others take."""
    try:
        return _made(client, accepted, until)
    except NothingMadeError as error:
        notes.print(Text.assemble((f"✕ {error.problem.title}", "red"), "  ", safe(str(error))), soft_wrap=True)
        return []


def _made(client: Client, accepted: Accepted, until: float) -> list[ExecutionView]:
    """The executions that an order made, once all can be seen.

    Raises NothingMadeError where it was refused, or not seen `until` then (monotonic seconds).
    """
    pauses = _pauses()
    while not (views := _visible(client, accepted)):
        if refusal := _refusal(client, accepted):
            raise NothingMadeError("refused", refusal.reason)
        if time.monotonic() > until:
            what = accepted.execution or accepted.retry_of or f"the run {accepted.run} of {accepted.pipeline}"
            ways = f"`{command('doctor')}` says whether one runs, `{command('dead-letters')}` what was refused"
            seen = f"nothing is seen of {what} after {VISIBLE_WITHIN:g} s. It is kept until a scheduler takes it up"
            raise NothingMadeError("unknown", f"{seen}: {ways}")
        time.sleep(next(pauses))
    return views


def _visible(client: Client, accepted: Accepted) -> list[ExecutionView]:
    """What an order made; nothing, where not all of it can be seen."""
    views = []
    for execution in accepted.made or _of_pipeline(client, accepted):
        if (view := found(client.execution, execution)) is None:
            return []
        views.append(view)
    return views


def _of_pipeline(client: Client, accepted: Accepted) -> tuple[str, ...]:
    """The executions of a run whose pipeline was not known yet when it was ordered; none: it still is not."""
    pipeline = found(client.pipeline, accepted.pipeline) if accepted.pipeline else None
    return tuple(to_text(execution_id(task, accepted.run or "")) for task in pipeline.tasks) if pipeline else ()


def _refusal(client: Client, accepted: Accepted) -> DeadLetterView | None:
    """What the scheduler said against this very order, and not against another one about the same."""
    letters = client.dead_letters(limit=LETTERS, execution=accepted.retry_of or accepted.execution)
    mine = (one for one in letters if one.ordered_at == accepted.ordered_at)
    run = (accepted.pipeline, accepted.run)
    return next((one for one in mine if accepted.pipeline is None or (one.pipeline, one.run) == run), None)


def _waited(client: Client, accepted: Accepted, seen: ExecutionView) -> Waited:
    view = outcome(client, seen)
    return Waited(**dict(view), existing=accepted.created_at not in {None, view.created_at})


def _show_outcome(view: Waited, common: Common) -> None:
    """How one execution ended; a failure ends the process."""
    if common.json:
        print_json(view)
    else:
        notes.print(headline(view))
        _show_result(view)
        if problem := view.error or view.reason:
            notes.print(safe(problem), soft_wrap=True)
    if view.state not in GOOD:
        sys.exit(Exit.FAILED)


def _show_outcomes(views: Sequence[Waited]) -> None:
    """A line each, below one that is no success, why; of several how many ended in which way."""
    for view in views:
        notes.print(headline(view), safe(view.task), "(was there before)" if view.existing else "", soft_wrap=True)
        if view.state != "succeeded" and (problem := view.error or view.reason):
            notes.print(Padding(safe(problem.strip()), (0, 0, 0, 4)))
    if len(views) > 1:
        counts = Counter(view.state for view in views).most_common()
        notes.print(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts))


def _show_result(view: Waited) -> None:
    if view.result is not None:
        console.print(JSON.from_data(view.result, ensure_ascii=True), soft_wrap=True)


def headline(view: ExecutionView) -> Text:
    """How it ended, after how much, and its id."""
    return Text.assemble(state(view.state, late=view.late), _effort(view), f"  {view.execution}")


def _effort(view: ExecutionView) -> str:
    """How long it ran; of several attempts how many, and the time from the first one's start to the end.

    When a lost one ended nobody knows.
    """
    if view.state == "lost":
        return ""
    began = next((one.started_at for one in view.attempts if one.started_at), None)
    if view.attempt > 1 and began and view.finished_at:
        whole = formats.duration((view.finished_at - began).total_seconds() * 1000)
        return f" after {view.attempt} attempts, {whole}"
    return f" in {formats.duration(view.ran_ms)}" if view.ran_ms is not None else ""


def outcome(client: Client, view: ExecutionView) -> ExecutionView:
    """The execution once it has ended, be it long ago; waits as long as that takes."""
    pauses, hint_at = _pauses(), time.monotonic() + HINT_AFTER
    with notes.status(f"waiting for {view.execution}") if notes.is_terminal else nullcontext():
        while view.state not in TERMINAL_STATES:
            view = client.execution(view.execution)
            if view.why and time.monotonic() > hint_at:
                notes.print(safe(f"{view.task}: {view.why[0]}"), soft_wrap=True)
                hint_at = math.inf
            if view.state not in TERMINAL_STATES:
                time.sleep(next(pauses))
    return view


def _patience() -> float:
    """Until when what was ordered just now must be seen, monotonic seconds."""
    return time.monotonic() + VISIBLE_WITHIN


def _pauses() -> Iterator[float]:
    """Seconds between two looks: for ever, and longer and longer."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_PAUSE)
