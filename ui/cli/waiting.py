"""What follows an order: the id at once, or with `--wait` how it ended."""

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from rich.json import JSON
from rich.padding import Padding
from rich.text import Text

from pipelines.command import command
from pipelines.views import TERMINAL_STATES, Accepted, DeadLetterView, ExecutionView, Problem
from ui.cli.common import Common, print_json
from ui.cli.exits import Exit
from ui.cli.looks import console, notes, safe, state
from ui.client import ApiError, Client
from ui.parts import formats

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
CONFLICT, NOT_FOUND = 409, 404
VISIBLE_WITHIN = 30.0
"""Seconds in which an accepted execution must be seen."""
CLOCKS = timedelta(seconds=1)
"""By how much the clocks of the API, which says when something was ordered, and of Kafka may differ."""


class RefusedError(ApiError):
    """What the scheduler said of an order, after it was accepted."""

    def __init__(self, letter: DeadLetterView) -> None:
        super().__init__(Problem(title="Conflict", status=CONFLICT, detail=letter.reason))


class Waited(ExecutionView):
    """How an execution ended that was waited for. `existing`: it was there before the order, which executed nothing."""

    existing: bool = False


def report(client: Client, accepted: Accepted, common: Common, *, wait: bool) -> None:
    """Print the id, or wait and print the outcome; ends the process with 1 where that is no success."""
    if accepted.existing and not common.json:
        notes.print(_was_there(accepted), soft_wrap=True)
    if accepted.execution is not None and wait:
        first = seen(client, accepted.execution, accepted.created_at)
        _show_outcome(_waited(client, accepted, first), common)
    elif common.json:
        print_json(accepted)
    else:
        console.print(safe(accepted.execution or accepted.run or accepted.pipeline or accepted.task), soft_wrap=True)
        if accepted.state:
            notes.print(state(accepted.state))
        if accepted.execution is None and accepted.run:
            line = command(f"list --run {shlex.quote(accepted.run)}")
            notes.print(Text.assemble("a run of the pipeline; follow it: ", safe(line)), soft_wrap=True)


def report_all(client: Client, accepted: Sequence[Accepted], common: Common, *, wait: bool) -> None:
    """The same for many; a pipeline's run counts as its executions."""
    if not wait:
        if common.json:
            return print_json(accepted)
        for one in accepted:
            report(client, one, common, wait=False)
        return None
    if unknown := next((one for one in accepted if not one.made and not _defines(one)), None):
        listed = command(f"list --run {shlex.quote(unknown.run)}" if unknown.run else "list")
        ways = f"`{listed}`, or `{command('dead-letters')}` if it was refused"
        notes.print(safe(f"The edge does not know yet what was made; see {ways}"), soft_wrap=True)
        sys.exit(Exit.UNAVAILABLE)
    first = [(order, view) for order in accepted for one in order.made if (view := _seen_or_told(client, order, one))]
    views = [_waited(client, order, view) for order, view in first]
    if common.json:
        print_json(views)
    else:
        _show_outcomes(views)
    if len(views) < sum(len(one.made) for one in accepted) or any(view.state != "succeeded" for view in views):
        sys.exit(Exit.FAILED)
    return None


def _defines(accepted: Accepted) -> bool:
    """Whether it was about a definition, of which nothing is to be waited for."""
    return not accepted.run and bool(accepted.task or accepted.pipeline)


def _seen_or_told(client: Client, accepted: Accepted, execution: str) -> ExecutionView | None:
    """The execution; none: the scheduler refused the order, which is said at once, however long others take."""
    try:
        return seen(client, execution, accepted.created_at)
    except RefusedError as refusal:
        notes.print(Text.assemble(("✕ refused", "red"), "  ", safe(str(refusal))), soft_wrap=True)
        return None


def _was_there(accepted: Accepted) -> Text:
    """That nothing was executed, and how to execute something."""
    what = accepted.task or f"the pipeline {accepted.pipeline}"
    run = f"the run {accepted.run}" if accepted.run else "the run without a name"
    ways = ["name another --run"]
    if accepted.execution:
        ways.append("submit it under another --id")
    if accepted.execution and accepted.state in TERMINAL_STATES:
        ways.append(f"`{command(f'retry {formats.short_id(accepted.execution)}')}`")
    said = f"nothing was executed: {what} was there in {run} before; for a new execution"
    return safe(f"{said} {', or '.join(ways)}")


def _waited(client: Client, accepted: Accepted, first: ExecutionView) -> Waited:
    view = outcome(client, first)
    return Waited(**dict(view), existing=accepted.created_at not in {None, view.created_at})


def _show_outcome(view: Waited, common: Common) -> None:
    """How one execution ended; a failure ends the process."""
    if common.json:
        print_json(view)
    else:
        notes.print(headline(view))
        if view.result is not None:
            console.print(JSON.from_data(view.result, ensure_ascii=True), soft_wrap=True)
        if problem := view.error or view.reason:
            notes.print(safe(problem), soft_wrap=True)
    if view.state != "succeeded":
        sys.exit(Exit.FAILED)


def _show_outcomes(views: Sequence[Waited]) -> None:
    """A line each; below one that is no success, why."""
    for view in views:
        notes.print(headline(view), safe(view.task), "(was there before)" if view.existing else "", soft_wrap=True)
        if view.state != "succeeded" and (problem := view.error or view.reason):
            notes.print(Padding(safe(problem.strip()), (0, 0, 0, 4)))


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


def seen(client: Client, execution: str, ordered: datetime | None) -> ExecutionView:
    """An execution that was just accepted, once it can be seen.

    Raises RefusedError where there will be none: what was `ordered` then (none: at any time) was refused.
    """
    began = time.monotonic()
    pauses = _pauses()
    while True:
        try:
            return client.execution(execution)
        except ApiError as error:
            if error.status != NOT_FOUND or time.monotonic() - began > VISIBLE_WITHIN:
                raise
        for letter in client.dead_letters(limit=1, execution=execution):
            if ordered is None or letter.at >= ordered - CLOCKS:
                raise RefusedError(letter)
        time.sleep(next(pauses))


def outcome(client: Client, view: ExecutionView) -> ExecutionView:
    """The execution once it has ended; waits as long as that takes."""
    pauses = _pauses()
    with notes.status(f"waiting for {view.execution}") if notes.is_terminal else nullcontext():
        while view.state not in TERMINAL_STATES:
            time.sleep(next(pauses))
            view = client.execution(view.execution)
    return view


def _pauses() -> Iterator[float]:
    """Seconds between two looks: for ever, and longer and longer."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_PAUSE)
