"""From envelopes to rows: which rows each table of the history gets of a batch of messages."""

from collections.abc import Collection, Iterator
from typing import TypeVar

from sinks.record.attempts import is_try, number_of_try
from sinks.record.columns import Source
from streams import envelope
from streams.engine.events import UNRECORDED, Moved, PipelineCreated, RecordedEvent, TaskCreated, TaskDeleted
from streams.engine.records import TaskDef

INDEX_BITS = 20
"""A message holds fewer than 2^20 events; `position` is its offset and the event's index in it, as one number."""

K = TypeVar("K")


class Batch:
    """Messages on their way into the tables. Of an execution only its newest step becomes its row.

    Where an id was forgotten and used anew, those are two: the moment of creation tells them apart.
    """

    def __init__(self) -> None:
        self._sources: dict[str, list[Source]] = {"events": [], "tasks": [], "pipelines": [], "logs": []}
        self._attempts: dict[tuple[bytes, int, int], Source] = {}
        self._executions: dict[tuple[bytes, int], Source] = {}

    def add(self, is_logs: bool, partition: int, offset: int, message: bytes) -> None:  # noqa: FBT001  (one of two topics)
        """Take an envelope of headrace.events or headrace.logs, whole or not at all.

        Raises msgspec's DecodeError where it is none.
        """
        if is_logs:
            self._sources["logs"].extend(map(Source, envelope.log_lines(message)))
        else:
            self._add_events(partition, offset, envelope.recorded_events(message))

    def _add_events(self, partition: int, offset: int, events: list[RecordedEvent]) -> None:
        steps = self._sources["events"]
        for position, event in enumerate(events, offset << INDEX_BITS):
            if not isinstance(event, Moved):
                self._define(position, event)
                continue
            if event.what in UNRECORDED:
                continue
            record = event.execution
            step = Source(record, event, partition, position)
            steps.append(step)
            life = record.id, record.created_at
            _keep(self._executions, life, step)
            if (number := number_of_try(event)) and is_try(event):
                _keep(self._attempts, (*life, number), step)

    def _define(self, position: int, event: TaskCreated | TaskDeleted | PipelineCreated) -> None:
        if isinstance(event, PipelineCreated):
            self._sources["pipelines"].append(Source(event))
            return
        task = event.task if isinstance(event, TaskCreated) else TaskDef(event.task, kind="")
        self._sources["tasks"].append(Source(task, event, position=position))

    def tables(self) -> Iterator[tuple[str, Collection[Source]]]:
        """Each table that gets rows, and what these are made of.

        Executions come last: whoever sees one in a state finds the events and attempts that led there.
        """
        ends = {"attempts": self._attempts.values(), "executions": self._executions.values()}
        for table, sources in (self._sources | ends).items():
            if sources:
                yield table, sources


def _keep(steps: dict[K, Source], key: K, step: Source) -> None:
    """Note the newest step: a scheduler that was paused sends what it had decided behind what came after it."""
    known = steps.get(key)
    if known is None or known.record.version <= step.record.version:
        steps[key] = step
