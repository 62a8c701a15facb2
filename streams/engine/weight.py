"""How much the records of a step take in the changelog, where a commit is appended whole or not at all."""

from collections.abc import Iterable

import msgspec

from streams.engine.records import Execution, Rule, TaskDef

PLAIN = 600
"""Bytes of a record and its keys without what can be long; a typical one has a third of it."""

EDGE = 180
"""Bytes of an upstream task beside its name: its id and outcome in the record, and two keys to tell its watcher."""

PIPELINE_LIMIT = 8 * 1024 * 1024
"""Bytes that the executions of one pipeline may take: they are made by one commit."""

_encode = msgspec.msgpack.Encoder().encode


def weigh(record: Execution) -> int:
    """Bytes of an execution's record and its keys; rather too many than too few."""
    plain = PLAIN + len(record.task) + len(record.run) + len(record.reason) + len(record.error)
    if not (record.upstream or record.notify):
        return plain
    return plain + sum(EDGE + len(task) for _, task, _ in record.upstream) + _rules(record.notify)


def weigh_new(task: TaskDef, payload: bytes) -> int:
    """Bytes of an execution that is made of a task with a payload of its own, or the task's (empty)."""
    edges = sum(EDGE + len(name) for name, _ in task.upstream)
    return PLAIN + edges + _rules(task.notify) + len(task.call) + len(payload or task.payload)


def pipeline_fault(pipeline: str, tasks: Iterable[TaskDef], payload: bytes = b"") -> str:
    """Why the tasks of a pipeline cannot be executed in one run, with a payload for each or their own; empty: they can.

    Each weighs more than its definition does, so that these fit into one commit too.
    """
    size = sum(weigh_new(task, payload) + len(task.description) for task in tasks)
    if size <= PIPELINE_LIMIT:
        return ""
    return (
        f"the tasks of pipeline {pipeline!r} take {size:,} bytes in one run; "
        f"their calls and payloads together with their edges must stay within {PIPELINE_LIMIT:,}"
    )


def _rules(rules: tuple[Rule, ...]) -> int:
    return len(_encode(rules)) if rules else 0
