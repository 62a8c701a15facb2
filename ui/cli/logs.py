"""`headrace logs ID [-f]`."""

import sys
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from pipelines.views import ExecutionView, LogView
from ui.cli.common import PLAIN, Common, connected
from ui.cli.guess import guessing, run_or_task
from ui.cli.looks import notes, safe, state
from ui.client import Client

PAGE = 1000


def logs(
    execution: str,
    /,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative=(), show_default=False)] = False,
    common: Common = PLAIN,
) -> None:
    """The command `logs`.

    Args:
        execution: Its id (the last twelve characters, as lists show them, will do).
        follow: Go on until it has ended.
        common: Of every command.
    """
    with connected() as client, guessing(client, execution, run_or_task):
        silent = True
        for line in client.follow_logs(execution) if follow else _all(client, execution):
            silent = False
            sys.stdout.write(f"{line.model_dump_json() if common.json else safe(line.text).plain}\n")
            if follow:
                sys.stdout.flush()
        if silent:
            _say_why(client.execution(execution))


def _say_why(view: ExecutionView) -> None:
    """Where there is no output: what went wrong instead, on standard error."""
    if said := "; ".join(filter(None, (view.error, view.reason))):
        notes.print(state(view.state), safe(said), soft_wrap=True)


def _all(client: Client, execution: str) -> Iterator[LogView]:
    after = ""
    while page := client.logs(execution, after=after, limit=PAGE):
        yield from page
        after = page[-1].cursor
