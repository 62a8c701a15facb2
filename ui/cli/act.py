"""`headrace cancel | retry | finish`: one by its id, or all that match a filter."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from pipelines.requests import BULK_LIMIT, TOO_MANY, BulkRequest
from pipelines.views import CHANGEABLE, BulkAnswer, Verb
from ui.cli.accepted import report
from ui.cli.asking import Yes, confirm
from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.documents import read_json
from ui.cli.exits import Exit, UsageError, mapped
from ui.cli.guess import ask_first, guessing, run_or_task, unknown_names
from ui.cli.listing import NO_FILTER, Filter
from ui.cli.looks import console, notes, safe
from ui.cli.waiting import follow
from ui.client import Client
from ui.parts import formats

Text = Annotated[str, Parameter(show_default=False)]


def cancel(*ids: str, reason: Text = "", yes: Yes = False, which: Filter = NO_FILTER, common: Common = PLAIN) -> None:
    """The command `cancel`.

    Args:
        ids: Executions by id (the last twelve characters, as lists show them, will do); none: all that match.
        reason: Shown to whoever looks at them.
        yes: Do not ask.
        which: Which ones.
        common: Of every command.
    """
    with connected() as client:
        if len(ids) == 1:
            with guessing(client, ids[0], run_or_task):
                ask_first(client.execution, ids[0])
                accepted = client.cancel(ids[0], reason=reason)
            return report(accepted, common)
        wanted = _request(client, ids, which, "cancel", reason=reason, yes=yes)
        return _shown(client, wanted, client.cancel_many(wanted), common, "has not ended")


def retry(
    *ids: str,
    wait: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    yes: Yes = False,
    which: Filter = NO_FILTER,
    common: Common = PLAIN,
) -> None:
    """The command `retry`.

    Args:
        ids: Executions by id (the last twelve characters, as lists show them, will do); none: all that match.
        wait: With one id: wait for the end of the new execution.
        yes: Do not ask.
        which: Which ones.
        common: Of every command.
    """
    with connected() as client:
        if len(ids) == 1:
            with guessing(client, ids[0], run_or_task):
                ask_first(client.execution, ids[0])
                accepted = client.retry(ids[0])
            return follow(client, accepted, common) if wait else report(accepted, common)
        wanted = _request(client, ids, which, "retry", yes=yes)
        return _shown(client, wanted, client.retry_many(wanted), common, "has ended")


def finish(
    execution: str,
    /,
    *,
    outcome: Literal["succeeded", "failed"] = "succeeded",
    result: str | None = None,
    error: Text = "",
    attempt: int | None = None,
    common: Common = PLAIN,
) -> None:
    """The command `finish`.

    Args:
        execution: Its id (the last twelve characters, as lists show them, will do).
        outcome: How it ended.
        result: JSON, for the tasks that wait for it; @FILE reads it from a file.
        error: What went wrong.
        attempt: Which attempt ended so; refused where another one runs by now.
        common: Of every command.
    """
    with mapped():
        value = None if result is None else read_json(result)
    with connected() as client:
        ask_first(client.execution, execution)
        accepted = client.finish(execution, outcome=outcome, result=value, error=error, attempt=attempt)
        report(accepted, common)


def _request(
    client: Client, ids: tuple[str, ...], which: Filter, verb: Verb, *, reason: str = "", yes: bool
) -> BulkRequest:
    """What is asked of the API, once somebody has said yes to how many of a filter can be changed so, if any."""
    if ids:
        return BulkRequest(ids=ids, reason=reason)
    if which == NO_FILTER:
        raise UsageError("name executions by id, or say which by a filter such as --state failed --since 1h")
    chosen = which.resolved()
    changeable = chosen.among(CHANGEABLE[verb])
    total = client.executions(changeable, limit=1).total if changeable else 0
    if total > BULK_LIMIT:
        raise UsageError(TOO_MANY)
    if total and not yes:
        confirm(f"{verb.capitalize()} {formats.number_of(total, 'execution')}?")
    return BulkRequest(filter=chosen, expected=total, reason=reason)


def _shown(client: Client, wanted: BulkRequest, answer: BulkAnswer, common: Common, standing: str) -> None:
    if common.json:
        print_json(answer)
    else:
        for execution in answer.executions.values():
            console.print(safe(execution), soft_wrap=True)
        for one in answer.refused:
            notes.print(safe(f"{one.execution}: {one.detail}"), soft_wrap=True)
        if answer.refused:
            notes.print(f"{formats.number_of(len(answer.refused), 'execution')} left alone, {answer.accepted} taken on")
        if answer.accepted and answer.detail:
            notes.print(safe(answer.detail), soft_wrap=True)
    if not answer.accepted and not answer.refused:
        notes.print(f"no execution that {standing} matches: nothing was changed")
        for hint in unknown_names(client, wanted.filter) if wanted.filter and not common.json else ():
            notes.print(safe(hint), soft_wrap=True)
    if answer.refused and wanted.ids:
        sys.exit(Exit.FAILED)
