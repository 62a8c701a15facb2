"""The one defect that these lives have found and that is not mended yet, told apart from all others.

A scheduler that was paused in the middle of a batch sends that batch's events when it wakes: they stand in the log
behind newer ones of the same executions. RECORD keeps the row whose event stands last in the log, not the one of the
highest version, so such a row goes back to a state that its execution has left. Delete this file with the defect.
"""

from tests.history.facts import History, Violation


def unexplained(history: History, violations: list[Violation]) -> list[Violation]:
    """Violations that are not a row which went back."""
    newest: dict[str, int] = {}
    last: dict[str, int] = {}
    for step in history.steps or ():
        newest[step.execution] = max(newest.get(step.execution, 0), step.version)
        last[step.execution] = step.version
    back = {execution for execution, version in last.items() if version < newest[execution]}
    return [v for v in violations if v.promise not in {"I1", "I7"} or v.execution not in back]
