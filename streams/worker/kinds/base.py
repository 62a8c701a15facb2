"""What the kinds that run in the worker's own loop have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec

from streams.engine.records import Job
from streams.worker.outcomes import Outcome
from streams.worker.output import Output


@dataclass
class Attempt:
    """One try: the job, its fields decoded, and where its output goes."""

    job: Job
    output: Output

    @cached_property
    def call(self) -> dict[str, Any]:
        """The kind's own fields."""
        fields: dict[str, Any] = msgspec.json.decode(self.job.call)
        return fields

    @property
    def payload(self) -> Any:
        """The payload; None where there is none."""
        return msgspec.json.decode(self.job.payload) if self.job.payload else None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The values of the upstream tasks, by task id."""
        return {task: msgspec.json.decode(value) for task, value in self.job.inputs.items() if value}


class Kind(Protocol):
    """Carries out one kind of task. Being cancelled means that nothing of the attempt may stay alive."""

    async def run(self, attempt: Attempt) -> Outcome:
        """Carry out an attempt. Raises KindError (see outcomes) where it does not succeed."""

    async def close(self) -> None:
        """Let go of what is shared between attempts."""
