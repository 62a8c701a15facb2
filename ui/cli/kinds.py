"""The kinds of task, as people type them."""

from pipelines.faults import members, nearest, shown
from pipelines.model import AnyTask

KINDS = tuple(members("kind", AnyTask))


def no_kind(name: str) -> str:
    """What is said of a word that is none of them."""
    return f"{shown(name)} is no kind of task: {', '.join(KINDS)} are{nearest(name, KINDS)}"
