"""From what a run leaves behind to facts: messages of our topics, rows of ClickHouse, words of tasks."""

from collections.abc import Iterable

import msgspec

from pipelines.ids import to_text
from streams.engine.commands import Assign, Lend, ReadyCommand
from streams.engine.events import Moved, Refused
from streams.envelope import ready_commands, recorded_events, task_commands
from tests.history.facts import Letter, Step


def steps_of(messages: Iterable[bytes]) -> list[Step]:
    """The steps in messages of headrace.events."""
    return [step_of(event) for message in messages for event in recorded_events(message) if isinstance(event, Moved)]


def step_of(moved: Moved) -> Step:
    """An event of an execution as a step."""
    e = moved.execution
    return Step(
        to_text(e.id), e.version, moved.what, e.state, e.number, moved.at, e.worker, e.failures, e.losses, e.seq
    )


def letters_of(messages: Iterable[bytes]) -> list[Letter]:
    """The dead letters in messages of headrace.dead-letters."""
    refused = (msgspec.json.decode(message, type=Refused) for message in messages)
    return [Letter(r.stage, (r.topic, r.partition, r.offset), r.execution, r.reason) for r in refused]


def line_of(messages: Iterable[bytes]) -> list[list[ReadyCommand]]:
    """The messages of headrace.ready; what cannot be read says nothing."""
    return [found for message in messages if (found := _readable(message)) is not None]


def _readable(message: bytes) -> list[ReadyCommand] | None:
    try:
        return ready_commands(message)
    except msgspec.MsgspecError:
        return None


def assigned_of(messages: Iterable[bytes]) -> list[Assign | Lend]:
    """What DISPATCH proposed and lent, in messages of headrace.tasks."""
    found: list[Assign | Lend] = []
    for message in messages:
        try:
            found += [command for command in task_commands(message) if isinstance(command, Assign | Lend)]
        except msgspec.MsgspecError:
            continue
    return found
