"""`headrace create FILE`: definitions that are kept, without an execution."""

from typing import Annotated

from cyclopts import Parameter

from ui.cli.accepted import report_all
from ui.cli.common import PLAIN, Common, connected
from ui.cli.documents import events_of
from ui.cli.exits import mapped
from ui.cli.upstreams import warn_of_unknown


def create(file: Annotated[str, Parameter(allow_leading_hyphen=True)], /, *, common: Common = PLAIN) -> None:
    """The command `create`.

    Args:
        file: A task or a pipeline, a list of them, or one a line; `-` reads standard input.
        common: Of every command.
    """
    with mapped():
        events = events_of(file, "create")
    with connected() as client:
        report_all(client.send(events), common)
        warn_of_unknown(client, events)
