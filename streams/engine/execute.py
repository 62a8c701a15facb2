"""Commands that make executions: execute, execute a pipeline, retry by hand."""

from typing import Any

from msgspec.structs import replace

from pipelines.ids import execution_id, to_text
from streams.engine import commands as c
from streams.engine.events import WatchKept
from streams.engine.place import place
from streams.engine.records import LATEST, MOST_CRITICAL, TERMINAL, Execution, State, TaskDef
from streams.engine.rejections import MISSING, not_ended, retried_already, waits_for_itself
from streams.engine.step import Step
from streams.engine.upstream import standing
from streams.engine.weight import pipeline_fault


def execute(step: Step, command: c.Execute) -> None:
    """Make an execution of a task that exists, or of the one that comes along."""
    if step.table.execution(command.id):
        return step.stale("this execution exists already", command.id)
    if mark := step.table.mark(command.id):
        return step.stale(f"this execution exists already, and ended as {mark.state} long ago", command.id)
    task = command.task_def or step.table.task(command.task)
    if task is None:
        return step.reject(f"task {command.task!r} {MISSING}, or submit it whole", command.id)
    if impossible := _impossible(command, task):
        return step.reject(impossible, command.id)
    if command.lone and any(not run for _, run in task.upstream):
        names = ", ".join(t for t, run in task.upstream if not run)
        return step.reject(f"task {task.id!r} waits for {names}: name the run in which they are executed", command.id)
    return _begin(step, command, task)


def execute_pipeline(step: Step, command: c.ExecutePipeline) -> None:
    """One execution per task, upstream or not, in the order of the definition: all of them or none."""
    names = step.table.pipeline(command.pipeline)
    if names is None:
        return step.reject(f"pipeline {command.pipeline!r} {MISSING}")
    tasks = [(name, step.table.task(name)) for name in names]
    if fault := _pipeline_fault(command, tasks):
        return step.reject(fault)
    for name, _ in tasks:
        one = c.Execute(
            id=execution_id(name, command.run),
            task=name,
            run=command.run,
            at=command.at,
            due_at=command.due_at,
            priority=command.priority,
            payload=command.payload,
        )
        execute(step, one)
    return None


def _pipeline_fault(command: c.ExecutePipeline, tasks: list[tuple[str, TaskDef | None]]) -> str:
    """Why a pipeline cannot run: others would wait for one of its tasks for ever, or it is too large for one go."""
    known = []
    for name, task in tasks:
        if task is None:
            return (
                f"pipeline {command.pipeline!r} cannot run without its task {name!r}, which was deleted: "
                "create the pipeline again"
            )
        if fault := waits_for_itself(task, command.run):
            return fault
        known.append(task)
    return pipeline_fault(command.pipeline, known, command.payload)


def retry(step: Step, command: c.Retry) -> None:
    """A new execution of what has ended. The old record stays as it is and names its successor."""
    old = step.table.execution(command.id)
    if old is None:
        return step.unknown(command)
    if old.state not in TERMINAL:
        return step.reject(not_ended(old), command.id)
    new_id = execution_id(old.task, old.run, old.again + 1)
    if old.retried_as or step.table.execution(new_id) or step.table.mark(new_id):
        return step.stale(retried_already(to_text(new_id)), command.id)
    call, payload = step.table.body(old.id)
    step.move(old, "retried", retried_as=new_id)
    record = _made(
        old,
        id=new_id,
        task=old.task,
        run=old.run,
        priority=old.priority,
        upstream=tuple((upstream, task, "") for upstream, task, _ in old.upstream),
        created_at=step.now,
        due_at=step.now,
        again=old.again + 1,
        retry_of=old.id,
    )
    _place_and_create(step, record, call, payload)
    return None


def _impossible(command: c.Execute, task: TaskDef) -> str:
    """What no execution can have, in a sentence; empty: all is possible. Who writes envelopes may err as well."""
    if not -1 <= command.priority <= MOST_CRITICAL or not 0 <= task.priority <= MOST_CRITICAL:
        return f"priority {max(command.priority, task.priority, key=abs)} is none: 0 to {MOST_CRITICAL} are"
    for name in ("timeout", "execution_timeout", "max_latency", "sleep"):
        if not 0 <= (span := getattr(task, name)) <= LATEST:
            return f"{name} {span} is no duration in milliseconds that can be kept: 0 to {LATEST} are"
    for name, moment in (("at", command.at), ("due_at", command.due_at)):
        if not 0 <= moment <= LATEST:
            return f"{name} {moment} is no time in milliseconds that can be kept: 0 to {LATEST} are"
    return waits_for_itself(task, command.run)


def _begin(step: Step, command: c.Execute, task: TaskDef) -> None:
    upstream = tuple((execution_id(t, run or command.run), t, "") for t, run in task.upstream)
    record = _made(
        task,
        id=command.id,
        task=task.id,
        run=command.run,
        priority=task.priority if command.priority < 0 else command.priority,
        upstream=upstream,
        created_at=command.at,
        due_at=command.due_at or step.now,
    )
    _place_and_create(step, record, task.call, command.payload or task.payload)


def _place_and_create(step: Step, record: Execution, call: bytes, payload: bytes) -> None:
    if record.upstream:
        record = _look_upstream(step, record)
    if step.table.watched(record.id):
        record = replace(record, watched=True)
    if record.due_at <= step.now:
        record = replace(record, **place(record, step.now))
    step.create(record, call, payload)


def _look_upstream(step: Step, record: Execution) -> Execution:
    """Take the outcomes that are known here, and ask to be told of the others."""
    seen = []
    for upstream, task, _ in record.upstream:
        known_as, outcome = standing(step, upstream)
        seen.append((known_as, task, outcome))
        if step.partition.is_home_of(upstream) and not outcome:
            step.emit(WatchKept(known_as, record.id, known_as))
    return replace(record, upstream=tuple(seen))


def _made(like: TaskDef | Execution, **own: Any) -> Execution:
    """A new record with all that a task, or the execution that is retried, hands on to it."""
    return Execution(
        kind=like.kind,
        state=State.SCHEDULED,
        pool=like.pool,
        queue=like.queue,
        owner=like.owner,
        at_most_once=like.at_most_once,
        trigger=like.trigger,
        retry=like.retry,
        timeout=like.timeout,
        execution_timeout=like.execution_timeout,
        max_latency=like.max_latency,
        notify=like.notify,
        sleep=like.sleep,
        **own,
    )
