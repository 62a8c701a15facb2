"""What follows from one change of a record of the table `tasks`: keys that no changelog holds."""

from functools import partial

import msgspec

from streams.engine.records import ON_WORKER, TERMINAL, Execution
from streams.stages.ends import PREFIXES, end_key
from streams.stages.lines import place_key
from streams.stages.past import end_row, is_mark, mark_row
from streams.stages.timers import timer_key
from streams.state.partition import Change, Derive

_execution = msgspec.msgpack.Decoder(Execution).decode


def worker_key(record: Execution) -> bytes | None:
    """The derived key of the worker that has a record; attempts without a worker have none."""
    if record.state not in ON_WORKER or not record.worker:
        return None
    return b"W" + record.worker.encode() + b"\0" + record.id


def derive(*, alone: bool) -> Derive:
    """What recovery and standbys derive from one change of a record; `alone`: all executions live on one partition."""
    return Derive(partial(_follow, alone), sources=b"x" + PREFIXES, derived=b"DWEFq", layout=3)


def _follow(alone: bool, key: bytes, old: bytes | None, new: bytes | None) -> list[Change]:  # noqa: FBT001  (bound first)
    before = _derived(key, old, alone=alone) if old else {}
    after = _derived(key, new, alone=alone) if new else {}
    gone: list[Change] = [(k, None) for k in before if k not in after]
    return gone + [(k, v) for k, v in after.items() if before.get(k) != v]


def _derived(key: bytes, value: bytes, *, alone: bool) -> dict[bytes, bytes]:
    if key[:1] != b"x":
        return {end_key(key, value): b""}
    if is_mark(value):
        return dict([mark_row(key[1:], value)])
    record = _execution(value)
    if record.state in TERMINAL:
        return dict([end_row(record)])
    place = place_key(record) if alone else None
    return {k: b"" for k in (timer_key(record), worker_key(record), place) if k}
