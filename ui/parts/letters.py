"""Dead letters, where people look whether all is well."""

from collections.abc import Sequence
from datetime import datetime

from pipelines.command import command
from pipelines.views import DeadLetterView
from ui.parts import formats
from ui.parts.markup import show, tag, with_code

LETTERS = 100
"""So many are asked for."""
REASONS, ROOM = 3, 160
"""Different reasons that are shown, and characters of each."""


def dead_letters(newest: Sequence[DeadLetterView], since: datetime, span: str) -> None:
    """How many there were in the range, and the newest reasons; nothing where there was none."""
    found = [one for one in newest if one.at >= since]
    if not found:
        return
    number = (
        f"{LETTERS} or more dead letters" if len(found) == LETTERS else formats.number_of(len(found), "dead letter")
    )
    head = tag("p", tag("strong", f"{number} in {span}"), with_code(f"; `{command('dead-letters')}` has all of each"))
    reasons = list(dict.fromkeys(formats.first_line(one.reason, ROOM) for one in found))[:REASONS]
    show(tag("div", head, *(tag("p", reason) for reason in reasons), class_="hr-why"))
