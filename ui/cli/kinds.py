"""The kinds of task, as people type them."""

from typing import get_args

from pipelines.faults import nearest, shown
from pipelines.model import KindName

KINDS: tuple[KindName, ...] = get_args(KindName)


def no_kind(name: str) -> str:
    """What is said of a word that is none of them."""
    return f"{shown(name)} is no kind of task: {', '.join(KINDS)} are{nearest(name, KINDS)}"
