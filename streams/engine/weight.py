"""How much the records of a step take in the changelog, where a commit is appended whole or not at all."""

import msgspec

from streams.engine.records import Execution, Rule, TaskDef

PLAIN = 400
"""Bytes of a record without upstream tasks and notify rules, roughly; and of all keys that go with it."""

EDGE = 80
"""Bytes of an upstream task beside its name: its id and outcome in the record, and who is to be told."""

_encode = msgspec.msgpack.Encoder().encode


def weigh(record: Execution) -> int:
    """Bytes of an execution's record and its keys; rather too many than too few."""
    if not (record.upstream or record.notify):
        return PLAIN
    return PLAIN + sum(EDGE + len(task) for _, task, _ in record.upstream) + _rules(record.notify)


def weigh_new(task: TaskDef, payload: bytes) -> int:
    """Bytes of an execution that is made of a task with a payload of its own, or the task's (empty)."""
    edges = sum(EDGE + len(name) for name, _ in task.upstream)
    return PLAIN + edges + _rules(task.notify) + len(task.call) + len(payload or task.payload)


def _rules(rules: tuple[Rule, ...]) -> int:
    return len(_encode(rules)) if rules else 0
