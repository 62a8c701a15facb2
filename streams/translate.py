"""From what people write (pydantic, seconds, JSON) to what stages exchange (structs, milliseconds, bytes). Pure."""

from collections.abc import Iterable
from datetime import timedelta
from math import isfinite
from typing import assert_never

import msgspec
from pydantic import JsonValue

from pipelines.events import (
    AnyEvent,
    CancelEvent,
    CreateEvent,
    DeleteEvent,
    ExecuteEvent,
    FinishEvent,
    RetryEvent,
    SubmitEvent,
    to_ms,
)
from pipelines.ids import ExecutionId, execution_id, from_text, home_of, home_of_task
from pipelines.model import (
    PAYLOAD_LIMIT,
    AnyTask,
    Delivery,
    NotifyRule,
    PipelineModel,
    Retries,
    SleepTask,
    Task,
    TaskBase,
    UpstreamRef,
)
from streams.engine.commands import (
    Cancel,
    CreatePipeline,
    CreateTask,
    DeleteTask,
    Execute,
    ExecutePipeline,
    Finish,
    Order,
    Retry,
)
from streams.engine.records import RetryPolicy, Rule, TaskDef
from streams.engine.rejections import named, waits_for_itself
from streams.engine.weight import PIPELINE_LIMIT, weigh_new

CALL_LIMIT = 4 * PAYLOAD_LIMIT
"""Bytes of a task's own fields (code, command, statement, request) as JSON."""

SHAPE_LIMIT = 512 * 1024
"""Bytes of a task without its call and payload: it is repeated with every step of its executions."""

DEFAULT_RETRY = RetryPolicy()
_encode = msgspec.json.Encoder().encode


def to_command(  # noqa: PLR0911  (one return a kind of event reads best)
    event: AnyEvent, at: int, partitions: int, fresh_run: str
) -> tuple[int, Order]:
    """The command that carries out `event`, and the partition of headrace.tasks on which it belongs.

    `at` is the time of submission in epoch milliseconds; `fresh_run` names the run where an `execute` names none.
    Raises ValueError where sizes or ids are wrong.
    """
    match event:
        case SubmitEvent():
            return submission(event, at, partitions)
        case ExecuteEvent():
            return _execute(event, at, partitions, fresh_run)
        case CreateEvent():
            return _create(event, at, partitions)
        case DeleteEvent(task=task):
            return home_of_task(task, partitions), DeleteTask(task, at)
        case CancelEvent():
            which = execution_of(event)
            return home_of(which, partitions), Cancel(which, at, event.reason, _about(event))
        case RetryEvent():
            which = execution_of(event)
            return home_of(which, partitions), Retry(which, at, _about(event))
        case FinishEvent():
            which = execution_of(event)
            result = _json(event.result, PAYLOAD_LIMIT, "the result")
            attempt = event.attempt or 0
            command = Finish(which, at, event.outcome, result, event.error, attempt, _about(event))
            return home_of(which, partitions), command
    assert_never(event)


def submission(event: SubmitEvent, at: int, partitions: int) -> tuple[int, Execute]:
    """The command and the home of a create-and-execute; see `to_command`."""
    task, run, made = event.task.id, event.run or "", task_def(event.task)
    if impossible := waits_for_itself(made, run):
        raise ValueError(impossible)
    command = Execute(id=execution_id(task, run), task=task, run=run, at=at, due_at=_due(event), task_def=made)
    return home_of(command.id, partitions), command


def _execute(event: ExecuteEvent, at: int, partitions: int, fresh_run: str) -> tuple[int, Order]:
    run = fresh_run if event.run is None else event.run
    priority = -1 if event.priority is None else event.priority
    payload = _json(event.payload, PAYLOAD_LIMIT, "the payload")
    if event.pipeline is not None:
        home = home_of_task(event.pipeline, partitions)
        return home, ExecutePipeline(event.pipeline, run, at, _due(event), priority, payload)
    task = event.task or ""
    which = execution_id(task, run)
    lone = event.run is None
    return home_of(which, partitions), Execute(which, task, run, at, _due(event), priority, payload, lone)


def _create(event: CreateEvent, at: int, partitions: int) -> tuple[int, Order]:
    if event.pipeline is not None:
        return home_of_task(event.pipeline.id, partitions), _create_pipeline(event.pipeline, at)
    if event.task is None:
        raise ValueError("name exactly one of: task, pipeline")
    return home_of_task(event.task.id, partitions), CreateTask(task_def(event.task), at)


def _create_pipeline(pipeline: PipelineModel, at: int) -> CreatePipeline:
    tasks = tuple(map(task_def, pipeline.tasks))
    size = sum(weigh_new(t, b"") for t in tasks)
    if size > PIPELINE_LIMIT:
        raise ValueError(
            f"the code, payloads and edges of pipeline {pipeline.id!r} have {size} bytes; at most {PIPELINE_LIMIT}"
        )
    return CreatePipeline(pipeline.id, tasks, at, pipeline.description)


def execution_of(event: CancelEvent | RetryEvent | FinishEvent) -> ExecutionId:
    """The execution that an event names, by its UUID or by its task and run (none: the run without a name)."""
    if event.execution is not None:
        return from_text(event.execution)
    return execution_id(event.task or "", event.run or "")


def _about(event: CancelEvent | RetryEvent | FinishEvent) -> str:
    return named(event.task, event.run or "") if event.task else ""


def _due(event: SubmitEvent | ExecuteEvent) -> int:
    return max(to_ms(event.at), 0)


def task_def(task: AnyTask) -> TaskDef:
    """A task as the engine keeps it. Raises ValueError when its payload or its own fields are too large."""
    made = _task_def(task)
    if (size := weigh_new(made, b"") - len(made.call) - len(made.payload)) > SHAPE_LIMIT:
        raise ValueError(f"upstream tasks and notify rules of {task.id!r} have {size} bytes; at most {SHAPE_LIMIT}")
    return made


def _task_def(task: AnyTask) -> TaskDef:
    return TaskDef(
        id=task.id,
        kind=task.kind,
        call=_call(task),
        payload=_json(task.payload, PAYLOAD_LIMIT, f"the payload of {task.id!r}"),
        priority=task.priority,
        pool=task.pool,
        queue=task.queue,
        upstream=_upstream(task.upstream) if task.upstream else (),
        trigger=task.trigger.value,
        retry=_retry(task.retries) if "retries" in task.model_fields_set else DEFAULT_RETRY,
        timeout=_ms(task.timeout),
        execution_timeout=_ms(task.execution_timeout),
        max_latency=_ms(task.max_latency),
        at_most_once=task.delivery is Delivery.AT_MOST_ONCE,
        notify=tuple(map(_rule, task.notify)) if task.notify else (),
        owner=task.owner,
        description=task.description,
        sleep=_ms(task.seconds) if isinstance(task, SleepTask) else 0,
    )


def _own_fields(kind: type[Task]) -> tuple[str, ...]:
    return tuple(f for f in kind.model_fields if f not in TaskBase.model_fields and f != "kind")


_OWN_FIELDS = {kind: _own_fields(kind) for kind in AnyTask.__args__}


def _call(task: AnyTask) -> bytes:
    """The fields that only this kind has, as a JSON object: all that its runner needs."""
    if isinstance(task, SleepTask):
        return _encode({"seconds": task.seconds.total_seconds()})
    own = {name: getattr(task, name) for name in _OWN_FIELDS[type(task)]}
    return _json(own, CALL_LIMIT, f"what {task.id!r} calls") if own else b"{}"


def _json(value: JsonValue, limit: int, what: str) -> bytes:
    """Compact JSON, no bytes for none. Raises ValueError that names `what` and both sizes."""
    if value is None:
        return b""
    try:
        encoded = _encode(value)
        if b"null" in encoded:  # what msgspec writes for these, too
            _check_finite(value)
    except (OverflowError, UnicodeEncodeError, RecursionError, ArithmeticError) as error:
        raise ValueError(f"{what} cannot travel as JSON: {error}") from None
    if len(encoded) > limit:
        raise ValueError(f"{what} has {len(encoded)} bytes as JSON; at most {limit}")
    return encoded


def _check_finite(value: JsonValue) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ArithmeticError(f"{value} is no number of JSON")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_finite(one)


def _upstream(upstream: Iterable[str | UpstreamRef]) -> tuple[tuple[str, str], ...]:
    return tuple((u, "") if isinstance(u, str) else _other_run(u) for u in upstream)


def _other_run(ref: UpstreamRef) -> tuple[str, str]:
    if not ref.run:
        raise ValueError(f"upstream {ref.task!r} names an empty run; give the run's name, or only the task's id")
    return ref.task, ref.run


def _retry(retries: Retries) -> RetryPolicy:
    return RetryPolicy(retries.limit, _ms(retries.delay), retries.factor, _ms(retries.max_delay), retries.jitter)


def _rule(rule: NotifyRule) -> Rule:
    return Rule(tuple(h.value for h in rule.on), rule.to, rule.title or "", rule.body or "")


def _ms(duration: timedelta | None) -> int:
    """Milliseconds; a duration above nothing never becomes nothing."""
    if duration is None:
        return 0
    return max(round(duration.total_seconds() * 1000), 1) if duration else 0
