"""Commands that create, replace and delete tasks and pipelines."""

from streams.engine import commands as c
from streams.engine import events as e
from streams.engine.step import Step
from streams.engine.weight import pipeline_fault


def create_task(step: Step, command: c.CreateTask) -> None:
    """Later executions see the new definition; those already made keep the one they were made with."""
    step.emit(e.TaskCreated(command.task, step.now))


def create_pipeline(step: Step, command: c.CreatePipeline) -> None:
    """All tasks of a pipeline, then the pipeline. Tasks that it no longer has are deleted."""
    if fault := pipeline_fault(command.id, command.tasks):
        return step.reject(fault)
    ids = tuple(t.id for t in command.tasks)
    for gone in sorted(set(step.table.pipeline(command.id) or ()) - set(ids)):
        step.emit(e.TaskDeleted(gone, step.now))
    for task in command.tasks:
        step.emit(e.TaskCreated(task, step.now))
    return step.emit(e.PipelineCreated(command.id, ids, step.now, command.description))


def delete_task(step: Step, command: c.DeleteTask) -> None:
    """A task takes no further executions."""
    if step.table.task(command.task) is None:
        return step.reject(f"no task {command.task!r}")
    return step.emit(e.TaskDeleted(command.task, step.now))
