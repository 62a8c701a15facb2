"""From what a run leaves behind to facts: messages of our topics, rows of ClickHouse, words of tasks."""

from collections.abc import Iterable

import msgspec

from pipelines.ids import to_text
from streams.engine.commands import Assign, ReadyCommand
from streams.engine.events import Moved, Refused
from streams.envelope import ready_commands, recorded_events, task_commands
from tests.history.facts import Letter, Step


def steps_of(messages: Iterable[bytes]) -> list[Step]:
    """The steps in messages of headrace.events."""
    return [_step(event) for message in messages for event in recorded_events(message) if isinstance(event, Moved)]


def _step(moved: Moved) -> Step:
    e = moved.execution
    return Step(to_text(e.id), e.version, moved.what, e.state, e.attempt, moved.at, e.worker, e.failures, e.losses)


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


def assigned_of(messages: Iterable[bytes]) -> list[Assign]:
    """What DISPATCH proposed, in messages of headrace.tasks."""
    found = []
    for message in messages:
        try:
            found += [command for command in task_commands(message) if isinstance(command, Assign)]
        except msgspec.MsgspecError:
            continue
    return found
